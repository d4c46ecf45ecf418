"""An operator's own: a tool that says in which process it was called."""

import os

from polyagent.app import App

app = App()


@app.tool(effect="read")
def whoami() -> int:
    """Tells the process that this tool runs in."""
    return os.getpid()
