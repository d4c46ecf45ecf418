"""Tools that are Python functions: the built-in ones, and an operator's own."""
