"""How the user calls us, so that what we tell them to type works as it stands."""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path


def invocation(argv0: str, environ: Mapping[str, str]) -> str:
    """Return what goes before a command: "uv run polyagent", "polyagent", a path."""
    if "UV_RUN_RECURSION_DEPTH" in environ:
        return "uv run polyagent"
    if Path(argv0).name == "__main__.py":
        return "python -m polyagent"
    if shutil.which("polyagent", path=environ.get("PATH")):
        return "polyagent"
    return shlex.quote(argv0)
