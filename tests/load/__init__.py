"""More than the server can do, readers by the thousand, clients that never finish: `nox -s load`."""
