"""What happens now, between processes: the logs of running runs, and hints."""
