"""Doing tasks in this process: attempts at them, and the loops around."""
