"""Runs in PostgreSQL: admitted, executed, followed, accounted for. Hand-written statements: the path of a chat."""
