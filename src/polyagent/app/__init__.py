"""The composition root: it alone knows every adapter.

Imports are late on purpose: `up` supervises in 20 MB, and a worker never loads the web framework.
"""

from polyagent.adapters.functions.contexts import TaskContext
from polyagent.adapters.memory.models import ScriptedModels, called, said
from polyagent.app.embedded import embedded
from polyagent.app.extension import App
from polyagent.app.library import container, opened
from polyagent.app.memory import in_memory
from polyagent.app.polyagent import PolyAgent
from polyagent.app.processes import (
    asgi,
    data_dir,
    down,
    endpoint,
    examine,
    migrate,
    prepare,
    reset,
    selftest,
    serve,
    tools,
    up,
    worker,
)

__all__ = [
    "App",
    "PolyAgent",
    "ScriptedModels",
    "TaskContext",
    "asgi",
    "called",
    "container",
    "data_dir",
    "down",
    "embedded",
    "endpoint",
    "examine",
    "in_memory",
    "migrate",
    "opened",
    "prepare",
    "reset",
    "said",
    "selftest",
    "serve",
    "tools",
    "up",
    "worker",
]
