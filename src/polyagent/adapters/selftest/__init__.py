"""The drill behind `polyagent selftest`: real processes that are killed, and witnesses of what came of it."""
