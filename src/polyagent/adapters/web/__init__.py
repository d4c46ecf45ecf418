"""What the server reads from the web."""
