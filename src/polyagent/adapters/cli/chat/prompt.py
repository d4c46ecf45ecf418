"""Reading what a person types: editing, history, several lines."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

import rich_click as click

from polyagent.adapters.cli.chat.history import History

PROMPT = "> "
MORE = "... "

# A pasted text is one entry, whatever lines it has; Alt-Enter begins another line.
KEYS = ("set enable-bracketed-paste on", r'"\e\C-m": "\C-v\C-j"', "tab: complete")


def typed(history: History, words: Sequence[str]) -> Iterator[str]:
    """Yield what is asked until Ctrl-D or a second Ctrl-C; `words` are completed by Tab.

    A line that ends in a backslash goes on in the next one.
    """
    readline = _editing(history, words)
    interrupted = False
    while True:
        try:
            text = _entry()
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            click.echo()
            if interrupted:
                return
            interrupted = True
            continue
        interrupted = False
        if text.strip():
            if readline is not None:
                readline.add_history(text)
            history.add(text)
            yield text


def _entry() -> str:
    text = input(PROMPT)
    while text.endswith("\\"):
        text = f"{text[:-1]}\n{input(MORE)}"
    return text


def _editing(history: History, words: Sequence[str]) -> ModuleType | None:
    """Give `input` editing and a history; None where there is no such thing (Windows)."""
    try:
        import readline
    except ImportError:
        return None
    readline.set_auto_history(False)
    readline.clear_history()
    for entry in history.entries():
        readline.add_history(entry)
    readline.set_completer_delims(" ")
    readline.set_completer(_completer(words))
    is_gnu = sys.platform != "darwin" or "libedit" not in (readline.__doc__ or "")
    if is_gnu and os.environ.get("TERM") != "dumb":
        for key in KEYS:
            readline.parse_and_bind(key)
    return readline


def _completer(words: Sequence[str]) -> Callable[[str, int], str | None]:
    def complete(begun: str, number: int) -> str | None:
        fitting = [word for word in words if begun and word.startswith(begun)]
        return fitting[number] if number < len(fitting) else None

    return complete
