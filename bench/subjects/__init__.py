"""What PolyAgent is measured against and with: each runs as a process."""
