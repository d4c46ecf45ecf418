"""What PolyAgent costs, measured beside a bare pass-through in one run: `nox -s bench`."""
