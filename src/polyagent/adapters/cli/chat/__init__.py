"""A talk with an agent, in the terminal."""
