"""Server-sent events out of bytes as they arrive.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from typing import NamedTuple

from polyagent.adapters.openai.reading.malformed import Malformed

MAX_LINE_BYTES = 1_048_576

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Event(NamedTuple):
    name: bytes
    data: bytes


class EventParser:
    """Works on bytes: a character or a line end that is split between two pieces is whole again before it is read.

    `lines` counts the complete lines so far, comments too: what a service that is alive sends.
    """

    def __init__(self) -> None:
        self.lines = 0
        self._held: list[bytes] = []
        self._held_bytes = 0
        self._after_cr = False
        self._name = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[Event]:
        """Return the events that `piece` completes. Raises `Malformed` for a line over `MAX_LINE_BYTES`."""
        if (events := self._plain(piece)) is not None:
            return events
        if self._after_cr:
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        lines = piece.splitlines(keepends=True)
        rest = lines.pop() if lines and not lines[-1].endswith((b"\n", b"\r")) else b""
        events = [event for line in lines if (event := self._line(self._whole(line))) is not None]
        self._hold(rest)
        return events

    def _plain(self, piece: bytes) -> list[Event] | None:
        """Return the events of a piece that is nothing but whole events of one `data: ` line each.

        Nearly all are; read line by line they cost three times as much.
        """
        if self._held or self._data or self._name or self._after_cr:
            return None
        if not (piece.startswith(b"data: ") and piece.endswith(b"\n\n")) or b"\r" in piece:
            return None
        events = piece[6:-2].split(b"\n\ndata: ")
        if piece.count(b"\n") != 2 * len(events):
            return None
        self.lines += 2 * len(events)
        return [Event(b"", data) for data in events]

    def end(self) -> list[Event]:
        """Return the event that the end of the stream completes: many services omit the last empty line."""
        last = [self._line(self._whole(b"")), self._dispatch()]
        return [event for event in last if event is not None]

    def _hold(self, piece: bytes) -> None:
        if not piece:
            return
        self._held.append(piece)
        self._held_bytes += len(piece)
        if self._held_bytes > MAX_LINE_BYTES:
            raise Malformed("a line without an end")

    def _whole(self, tail: bytes) -> bytes:
        self._hold(tail.rstrip(b"\r\n"))
        line = b"".join(self._held)
        self._held, self._held_bytes = [], 0
        self.lines += 1
        return line.removeprefix(_BYTE_ORDER_MARK) if self.lines == 1 else line

    def _line(self, line: bytes) -> Event | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value
        return None

    def _dispatch(self) -> Event | None:
        name, data = self._name, self._data
        self._name, self._data = b"", []
        return Event(name, b"\n".join(data)) if data else None


class WholeBody:
    """Stands in for the parser where a service answers in one piece of JSON instead of a stream."""

    def __init__(self) -> None:
        self.lines = 0
        self._held: list[bytes] = []

    def feed(self, piece: bytes) -> list[Event]:
        self._held.append(piece)
        return []

    def end(self) -> list[Event]:
        return [Event(b"", b"".join(self._held))]
