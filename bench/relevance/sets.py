"""Sets of passages and questions: two of our own sentences, one of the standard library's documentation."""

import importlib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

Line = TypeVar("Line")

HERE = Path(__file__).parent

DOCUMENTED = """
abc argparse array ast asyncio atexit base64 bisect bz2 calendar cmath codecs collections concurrent.futures
configparser contextlib csv ctypes datetime dataclasses decimal difflib dis enum fileinput fnmatch fractions ftplib
functools gc getpass gettext glob graphlib gzip hashlib heapq hmac html http.client http.server imaplib importlib
inspect io ipaddress itertools json linecache locale logging logging.handlers lzma math mimetypes operator os os.path
pathlib pickle pkgutil platform queue random re secrets select selectors shelve shlex shutil signal smtplib socket
socketserver ssl statistics string struct subprocess sys tarfile tempfile textwrap threading time timeit tokenize
traceback types typing unicodedata unittest urllib.parse urllib.request uuid venv warnings wave weakref webbrowser
xml.etree.ElementTree zipfile zlib zoneinfo
"""
"""Modules whose functions and classes are passages, as `help()` shows them."""
SHORTEST = 200
"""Characters of a docstring; what is shorter says too little to be asked for."""


class Passage(msgspec.Struct, frozen=True):
    id: str
    text: str


class Question(msgspec.Struct, frozen=True):
    question: str
    relevant: Sequence[str]


class RelevanceSet(msgspec.Struct, frozen=True):
    name: str
    passages: Sequence[Passage]
    questions: Sequence[Question]


def relevance_sets() -> Iterator[RelevanceSet]:
    for name in ("chinese", "japanese"):
        passages = _lines(f"{name}.passages", Passage)
        yield RelevanceSet(name, passages, _lines(f"{name}.questions", Question))
    yield RelevanceSet("english", [*_documented()], _lines("english.questions", Question))


def _lines(name: str, of: type[Line]) -> Sequence[Line]:
    return msgspec.json.Decoder(of).decode_lines((HERE / f"{name}.jsonl").read_bytes())


def _documented() -> Iterator[Passage]:
    """Return what is documented, each text once, named by where it is found first."""
    seen: set[str] = set()
    for module in DOCUMENTED.split():
        for name, member in _members(module):
            told = inspect.getdoc(member) or ""
            if len(told) >= SHORTEST and told not in seen:
                seen.add(told)
                yield Passage(f"{module}.{name}", f"{module}.{name}{_signature(member)}\n\n{told}")


def _members(module: str) -> Iterator[tuple[str, object]]:
    loaded = importlib.import_module(module)
    for name in getattr(loaded, "__all__", None) or dir(loaded):
        member = getattr(loaded, name, None)
        if not name.startswith("_") and (inspect.isroutine(member) or inspect.isclass(member)):
            yield name, member


def _signature(member: object) -> str:
    try:
        return str(inspect.signature(member)) if callable(member) else ""
    except ValueError:  # some built-in functions have none
        return ""
