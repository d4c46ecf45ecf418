"""The HTTP front: Litestar behind our own edge, served by granian."""
