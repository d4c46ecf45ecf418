"""The witness: a file in which every execution of a tool leaves a line as it begins and as it ends."""

import os
from pathlib import Path
from typing import Literal
from uuid import UUID

import msgspec

from polyagent.domain.tool import Effect


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """`process` is the group of the process that executes; `execution` is new each time."""

    phase: Literal["begun", "ended"]
    label: str
    effect: Effect
    run_id: UUID | None
    key: str
    execution: UUID
    process: int


class Ledger:
    """Processes append whole lines to it at once: a kill leaves none torn and none out."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0
        self._entries: list[Entry] = []
        self._open: dict[UUID, Entry] = {}

    def write(self, entry: Entry) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, msgspec.json.encode(entry) + b"\n")
        finally:
            os.close(fd)

    def entries(self) -> list[Entry]:
        """Return all lines so far, in the order in which they were written."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._read_bytes)
                whole, end, _ = file.read().rpartition(b"\n")
            self._read_bytes += len(whole) + len(end)
            for line in whole.splitlines():
                self._note(_entry(line))
        return self._entries

    def open_in(self, process: int) -> list[Entry]:
        """Return the executions that this process has begun and not ended."""
        self.entries()
        return [entry for entry in self._open.values() if entry.process == process]

    def _note(self, entry: Entry) -> None:
        self._entries.append(entry)
        if entry.phase == "begun":
            self._open[entry.execution] = entry
        else:
            self._open.pop(entry.execution, None)


_entry = msgspec.json.Decoder(Entry).decode
