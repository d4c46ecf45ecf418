"""Limits that all processes share."""
