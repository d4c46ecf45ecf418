"""One question each; `bench.__main__` lists them."""
