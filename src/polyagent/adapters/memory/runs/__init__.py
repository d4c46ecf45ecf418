"""Runs in this process's memory: admitted, executed, followed, accounted for."""
