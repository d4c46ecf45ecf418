"""Task queues doing the same work: ours, and others from PyPI."""
