"""How a reader keeps its place in a run."""
