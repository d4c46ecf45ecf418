"""The order of turns in Redis: scripts, and the adapter that calls them."""
