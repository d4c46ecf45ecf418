"""Finding what extends this process: installed plugins, and what POLYAGENT_APP names."""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from dishka import Provider

from polyagent.app.extension import App, merged
from polyagent.domain.errors import PolyAgentError
from polyagent.settings import SettingsError

APP = "POLYAGENT_APP"
PLUGINS = "polyagent.plugins"
OTHERS = (str(Path(__file__).parents[1]), str(Path(importlib.__file__).parent), "<frozen")


def found() -> App:
    """Return what plugins and POLYAGENT_APP (`module:name`) add; of two the later one wins a port.

    Raises `SettingsError`: one line that says where it went wrong.
    """
    return merged([*_plugins(), *_named(os.environ.get(APP))])


def _plugins() -> Iterator[App]:
    for entry in sorted(entry_points(group=PLUGINS), key=lambda entry: entry.name):
        yield _loaded(f"The plugin {entry.name} ({entry.value})", entry.load)


def _named(target: str | None) -> Iterator[App]:
    if target:
        yield _loaded(f"{APP}={target}", lambda: _attribute(target))


def _attribute(target: str) -> Any:
    module, _, name = target.partition(":")
    if not (module and name):
        raise ValueError("it must be module:name, as in shop.tools:app")
    if (here := str(Path.cwd())) not in sys.path:  # `python -m` has it, a script has not
        sys.path.insert(0, here)
    return getattr(importlib.import_module(module), name)


def _loaded(what: str, load: Callable[[], Any]) -> App:
    try:
        return _app(load())
    except (Exception, SystemExit) as error:
        raise SettingsError(f"{what}: {_place(error)}{_said(error)}.") from error


def _app(made: Any) -> App:
    """Raises `TypeError` for what extends nothing."""
    if isinstance(made, App):
        return made
    if isinstance(made, Provider):
        return App(made)
    if isinstance(made, list | tuple):
        return merged(map(_app, made))
    if callable(made) and not isinstance(made, type):
        return _app(made())
    raise TypeError(f"{made!r:.80} is no polyagent.app.App, and no provider of dishka")


def _place(error: BaseException) -> str:
    """Return where in the operator's own code it happened."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(OTHERS)]
    return f"{own[-1].filename}:{own[-1].lineno}: " if own else ""


def _said(error: BaseException) -> str:
    if isinstance(error, PolyAgentError):
        return error.detail.rstrip(".")
    return f"{type(error).__name__}: {error}".rstrip(".")
