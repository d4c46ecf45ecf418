"""Uploading files, and waiting until they are indexed."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import Any, TypeVar

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from polyagent.adapters.cli.documents.files import Source
from polyagent.adapters.cli.server import Lost, Refused, Server

Document = dict[str, Any]
T = TypeVar("T")

AT_ONCE = 8
LOOK_S = 0.3
PATIENCE_S = 60.0
SETTLED = ("indexed", "failed", "refused")


def fields(collection: str | None, *, shared: bool = False) -> dict[str, str]:
    """Return what is said of a file beside its bytes."""
    said = {"visibility": "shared"} if shared else {}
    return said if collection is None else {**said, "collection": collection}


class Upload:
    """Files on their way to a server, a few at once: `fields` is what is said of each."""

    def __init__(self, server: Server, fields: Mapping[str, str]) -> None:
        self._server = server
        self._fields = fields
        console = Console(stderr=True)
        self._bars = Progress(console=console, transient=True, disable=not console.is_terminal)

    def __call__(self, sources: Sequence[Source]) -> Iterator[Document]:
        """Yield the documents, in the order of their files, each once it is indexed or has failed.

        One that was not taken has the status `refused`, a `filename` and an `error`. Bars on stderr show
        how far they are, where that is a terminal. Raises `Lost`.
        """
        waiting: deque[tuple[TaskID, Document]] = deque()
        with self._bars:
            all_of_them = self._bars.add_task("", total=len(sources), visible=len(sources) > 1)
            for source in sources:
                if len(waiting) == AT_ONCE:
                    yield self._settled(*waiting.popleft())
                    self._bars.advance(all_of_them)
                bar = self._bars.add_task(escape(source.name), total=1.0)
                waiting.append((bar, self._sent(source)))
            while waiting:
                yield self._settled(*waiting.popleft())
                self._bars.advance(all_of_them)

    def _sent(self, source: Source) -> Document:
        try:
            with source.open() as file:
                return self._patiently(lambda: self._server.upload(source.name, file, self._fields))
        except Refused as refused:
            return _refused(source, refused.reason, refused.detail)
        except OSError as error:
            return _refused(source, "file_unreadable", error.strerror or str(error))

    def _settled(self, bar: TaskID, document: Document) -> Document:
        pauses_s = chain([0.0], repeat(LOOK_S))  # others were sent since it was
        while document["status"] not in SETTLED:
            self._bars.update(bar, completed=document["progress"])
            time.sleep(next(pauses_s))
            document = self._looked_at(document)
        self._bars.remove_task(bar)
        return document

    def _looked_at(self, document: Document) -> Document:
        try:
            return self._patiently(lambda: self._server.document(document["id"]))
        except Refused as refused:  # somebody deleted it
            error = {"code": refused.reason, "detail": refused.detail}
            return {**document, "status": "failed", "error": error}

    def _patiently(self, work: Callable[[], T]) -> T:
        """Do it again while the server is busy or away, for a minute: the same bytes are no second document."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return work()
            except Refused as refused:
                if refused.pause_s is None or time.monotonic() > until:
                    raise
                pause_s = refused.pause_s
            except Lost:
                if not self._server.was_reached or time.monotonic() > until:
                    raise
                pause_s = LOOK_S
            time.sleep(pause_s)


def _refused(source: Source, code: str, detail: str) -> Document:
    error = {"code": code, "detail": detail}
    return {"filename": source.name, "status": "refused", "error": error}
