"""Tool calls put together from their fragments."""

from collections.abc import Iterator

import msgspec

from polyagent.adapters.openai.reading.chunks import CallPiece
from polyagent.adapters.openai.reading.malformed import Malformed
from polyagent.adapters.openai.reading.text import Joiner
from polyagent.domain.model import CallDelta
from polyagent.domain.text import clean, clean_json

MAX_CALLS = 128
MAX_NAME = 200


class _Call:
    def __init__(self, number: int, index: int | None, wire_id: str) -> None:
        self.number = number
        self.index = index
        self.id = wire_id
        self.name = ""
        self._pieces: list[str] = []
        self._told = 0
        self._named = False
        self._joiner = Joiner()

    def add(self, name: str, text: str) -> CallDelta | None:
        self.name = self.name or name
        self._pieces.append(self._joiner.add(text))
        return self._news() if self.name else None

    def end(self) -> CallDelta | None:
        self._pieces.append(self._joiner.end())
        return self._news()

    def is_whole(self) -> bool:
        try:
            msgspec.json.decode("".join(self._pieces), type=dict)
        except (msgspec.DecodeError, RecursionError):
            return False
        return True

    def _news(self) -> CallDelta | None:
        """Return what was not told yet; the first piece comes once there is a name."""
        text, name = "".join(self._pieces[self._told :]), None if self._named else self.name
        if not text and name is None:
            return None
        self._told, self._named = len(self._pieces), True
        return CallDelta(self.number, text, name)


class Calls:
    """Finds the call that each fragment belongs to, by `index`, by `id` or by what came before.

    No field can be trusted alone: services leave the index out, give every call index 0, give every
    call the same id, or repeat id and name in each fragment.
    """

    def __init__(self) -> None:
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, piece: CallPiece) -> CallDelta | None:
        """Raises `Malformed` for more than `MAX_CALLS`."""
        name = clean(_text(piece.function.name))[:MAX_NAME] if piece.function else ""
        arguments = _arguments(piece)
        index = piece.index if isinstance(piece.index, int) else None
        call = self._known(index, _text(piece.id), name)
        if call is None or _another(call, _text(piece.id), name, arguments):
            if len(self._calls) == MAX_CALLS:
                raise Malformed(f"more than {MAX_CALLS} tool calls")
            call = _Call(len(self._calls), index, _text(piece.id))
            self._calls.append(call)
        call.id = call.id or _text(piece.id)
        return call.add(name, arguments)

    def end(self) -> Iterator[CallDelta]:
        for call in self._calls:
            if (delta := call.end()) is not None:
                yield delta

    def _known(self, index: int | None, wire_id: str, name: str) -> _Call | None:
        """Return the call that the fragment most likely continues."""
        newest = self._calls[::-1]
        by_index = [call for call in newest if index is None or call.index == index]
        by_id = [call for call in newest if wire_id and call.id == wire_id]
        by_both = [call for call in by_index if call in by_id]
        by_id_alone = [] if name else by_id
        return next(iter(by_both or by_index or by_id_alone), None)


def _another(call: _Call, wire_id: str, name: str, arguments: str) -> bool:
    """Return whether a fragment that seems to continue `call` begins the next one all the same."""
    if wire_id and call.id and wire_id != call.id:
        return True
    if not name or not call.name:
        return False
    return name != call.name or (arguments.lstrip().startswith("{") and call.is_whole())


def _arguments(piece: CallPiece) -> str:
    """Return the fragment's text; some services send the object itself."""
    value = piece.function.arguments if piece.function else None
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(clean_json(value)).decode()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
