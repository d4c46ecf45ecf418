"""A self-hosted server for multi-agent applications."""

__version__ = "0.1.0"
