"""What is done later, in PostgreSQL: tasks, and the schedules and webhooks that make them."""
