"""Kinds of tasks: what a worker does with them, as HTTP's controllers do with requests."""
