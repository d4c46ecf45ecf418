"""What a serving process asks of its operating system."""
