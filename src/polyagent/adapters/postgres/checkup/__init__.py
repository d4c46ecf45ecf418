"""What keeps us from working well on a PostgreSQL, and what its administrator has to type."""
