"""Children: started so that they end with us, started again when they end alone."""
