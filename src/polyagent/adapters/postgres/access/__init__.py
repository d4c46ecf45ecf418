"""Who may do what, in PostgreSQL: users and their credentials, and the log of what was done about access."""
