"""The embedding model of this machine."""
