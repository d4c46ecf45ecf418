"""Sets of passages and questions: of our own sentences, and of the standard library's documentation."""

import importlib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from pydoc_data.topics import topics
from typing import TypeVar

import msgspec

from polyagent.adapters.extraction.formats import text
from polyagent.adapters.extraction.formats.writer import TextWriter
from polyagent.domain.documents.chunking import cut

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
_QUOTES = str.maketrans("", "", '"*`\u201c\u201d')


class Passage(msgspec.Struct, frozen=True):
    """`file` is the name of the document it stands in, `headings` those it stands under there."""

    id: str
    text: str
    file: str = "passages"
    headings: Sequence[str] = ()


class Question(msgspec.Struct, frozen=True):
    """Passages answer it that have one of the ids `relevant`, or, if that is empty, say `answer`."""

    question: str
    relevant: Sequence[str] = ()
    answer: str = ""


class RelevanceSet(msgspec.Struct, frozen=True):
    """`answers` are the places of the passages that answer each of the `questions`."""

    name: str
    passages: Sequence[Passage]
    questions: Sequence[str]
    answers: Sequence[frozenset[int]]


def relevance_sets() -> Iterator[RelevanceSet]:
    for language in ("chinese", "japanese"):
        passages = _lines(f"{language}.passages", Passage)
        yield _set(language, passages, f"{language}.questions")
        yield _set(f"{language}, more", passages, f"{language}.more")
    yield _set("English, reference", [*_reference()], "reference.questions")
    docstrings = [*_docstrings()]
    yield _set("English, docstrings", docstrings, "docstrings.questions")
    yield _set("English, docstrings, familiar", docstrings, "docstrings.familiar")
    yield _set("English, docstrings, keywords", docstrings, "docstrings.keywords")


def _set(name: str, passages: Sequence[Passage], questions: str) -> RelevanceSet:
    asked = [(each.question, _answers(passages, each)) for each in _lines(questions, Question)]
    known = [
        (question, answers) for question, answers in asked if answers
    ]  # not all Pythons say all
    return RelevanceSet(name, passages, *zip(*known, strict=True))


def _answers(passages: Sequence[Passage], asked: Question) -> frozenset[int]:
    if asked.relevant:
        return frozenset(n for n, each in enumerate(passages) if each.id in asked.relevant)
    said = _plain(asked.answer)
    return frozenset(n for n, each in enumerate(passages) if said in _plain(each.text))


def _plain(text: str) -> str:
    return " ".join(text.translate(_QUOTES).lower().split())


def _lines(name: str, of: type[Line]) -> Sequence[Line]:
    return msgspec.json.Decoder(of).decode_lines((HERE / f"{name}.jsonl").read_bytes())


def _reference() -> Iterator[Passage]:
    """Return the reference of the language as chunks of documents, one of each topic."""
    for topic, told in topics.items():
        writer = TextWriter()
        text.read(told.encode(), writer)
        for piece in cut(writer.extracted()):
            yield Passage(f"{topic} {piece.start}", piece.text, topic)


def _docstrings() -> Iterator[Passage]:
    """Return what is documented, each text once, named by where it is found first."""
    seen: set[str] = set()
    for module in DOCUMENTED.split():
        for name, member in _members(module):
            told = inspect.getdoc(member) or ""
            if len(told) >= SHORTEST and told not in seen:
                seen.add(told)
                title = f"{module}.{name}"
                yield Passage(title, f"{title}{_signature(member)}\n\n{told}", module, [title])


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
