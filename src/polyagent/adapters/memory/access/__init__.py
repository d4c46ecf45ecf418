"""Who may do what, in this process's memory."""
