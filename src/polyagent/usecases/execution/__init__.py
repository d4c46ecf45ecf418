"""How one run is executed under one lease."""
