"""Questions, and the passages that answer them: what is found first, by us and by others."""
