"""What only a browser can show: run by `nox -s browser`, which needs a Chromium."""
