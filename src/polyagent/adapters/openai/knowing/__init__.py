"""What is known of a service: what it lists, and what it taught us."""
