"""Documents in this process's memory."""
