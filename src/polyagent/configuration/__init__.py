"""From files and the environment to settings."""
