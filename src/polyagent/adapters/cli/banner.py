"""How to use a server that has just started, in lines that fit 80 columns."""

import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

from polyagent import __version__
from polyagent.domain.startup import Prepared, Started

WIDTH = 80
LABEL = 10


def banner(started: Started, command: str, usual_data_dir: Path) -> Iterator[str]:
    """Yield the lines; `command` is how the user calls us.

    The curl line is whole however long it is: it is there to be copied.
    """
    place = ""
    if started.data_dir != str(usual_data_dir):
        place = f" --data-dir {shlex.quote(started.data_dir)}"
    yield ""
    yield f"PolyAgent {__version__} is ready ({started.seconds:.1f} s)."
    yield ""
    for label, text in _facts(started, command, place):
        yield from _entry(label, text)
    yield ""
    yield "A first answer, streamed, from another terminal:"
    yield ""
    yield _curl(started.url, f"{command} admin token{place}")
    yield ""
    yield from _entry("Talk", f"{command} chat{place}")
    yield from _entry("Stop", f"Ctrl-C, or {command} down{place}")
    yield from _entry("Clear", f"{command} reset{place} deletes all data")
    yield ""


def _facts(started: Started, command: str, place: str) -> Iterator[tuple[str, str]]:
    yield "Server", started.url
    yield "Docs", f"{started.url}/docs"
    yield "Health", f"{started.url}/health"
    yield "Login", _login(started.prepared, f"{command} admin reset-password{place}")
    yield "Model", "; ".join(filter(None, (started.model or "none", started.model_note)))
    yield "Engines", ", ".join(f"{name} {about}" for name, about in started.engines.items())
    yield "Data", started.data_dir


def _login(prepared: Prepared, reset: str) -> str:
    if prepared.password is not None:
        return f"{prepared.username}, password {prepared.password} (shown this once: keep it)"
    return f"{prepared.username} with the password of the first start; lost it? {reset}"


def _curl(url: str, token: str) -> str:
    return (
        f"curl -N {url}/api/v1/chat/stream"
        f' -H "Authorization: Bearer $({token})" -H "Content-Type: application/json"'
        """ -d '{"message": "Hello, AI!"}'"""
    )


def _entry(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"  {label:{LABEL}}",
        subsequent_indent=" " * (LABEL + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
