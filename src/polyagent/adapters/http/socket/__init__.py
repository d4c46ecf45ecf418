"""WebSockets: any number of runs over one connection."""
