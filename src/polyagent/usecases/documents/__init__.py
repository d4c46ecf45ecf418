"""Documents: taken in, indexed, found, and told to models."""
