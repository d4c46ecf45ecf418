"""A controller per noun; each handler is a line of work."""
