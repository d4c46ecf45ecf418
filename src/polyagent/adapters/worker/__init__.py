"""Executing runs in this process: the loops around the use case `ExecuteRun`."""
