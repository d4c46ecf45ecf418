"""What is done later, in this process's memory: tasks, and the schedules and webhooks that make them."""
