"""Documents in PostgreSQL: their rows, their chunks, and the postings by which these are found."""
