"""The composition root: it alone knows every adapter.

Imports are late on purpose: `up` supervises in 20 MB, and a worker never loads the web framework.
"""

from polyagent.app.library import container, opened
from polyagent.app.processes import (
    asgi,
    data_dir,
    down,
    endpoint,
    migrate,
    prepare,
    reset,
    selftest,
    serve,
    up,
    worker,
)

__all__ = [
    "asgi",
    "container",
    "data_dir",
    "down",
    "endpoint",
    "migrate",
    "opened",
    "prepare",
    "reset",
    "selftest",
    "serve",
    "up",
    "worker",
]
