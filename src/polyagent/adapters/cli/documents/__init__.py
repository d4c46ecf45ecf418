"""Files that become documents, and what is found in them."""
