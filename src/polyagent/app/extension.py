"""What an operator adds to the server: dishka providers that replace or add adapters."""

import os
from collections.abc import Sequence
from importlib import import_module

from dishka import Provider

from polyagent.settings import SettingsError

APP = "POLYAGENT_APP"


def extension() -> Sequence[Provider]:
    """Return what the function that POLYAGENT_APP names (`module:function`) gives.

    Raises `SettingsError` if there is no such function.
    """
    target = os.environ.get(APP)
    if not target:
        return ()
    module, _, name = target.partition(":")
    try:
        made: Sequence[Provider] = getattr(import_module(module), name)()
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"POLYAGENT_APP={target}: {error}; it must be module:function, and importable."
        ) from error
    return made
