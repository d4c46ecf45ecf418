"""Calls of the client's own tools, on their way to the client."""

from collections.abc import Iterator
from typing import Any

import msgspec

from polyagent.adapters.http.front.spelling import Diverged, Spelling
from polyagent.domain.tool import arguments_of

Arguments = dict[str, Any] | str


class _Call:
    """`id` is the one that the client was told: the first attempt's."""

    def __init__(self, index: int, id_: str, name: str) -> None:
        self.index = index
        self.id = id_
        self.name = name
        self.arguments = Spelling()


class Calls:
    """The calls of one step, in its order; each method returns deltas of `tool_calls`."""

    def __init__(self) -> None:
        self._told: list[_Call] = []
        self._found: dict[str, _Call] = {}
        self._confirmed = 0

    def __bool__(self) -> bool:
        return bool(self._told)

    def add(self, call_id: str, name: str | None, text: str) -> Iterator[dict[str, Any]]:
        """Tell a piece of a call's arguments; the first has its name. Raises `Diverged`."""
        call = self._found.get(call_id)
        if call is None:
            if name is None:
                return  # its beginning is missing: it is told as a whole
            call, head = self._begin(call_id, name)
            yield from head
        if piece := call.arguments.add(text):
            yield _piece(call, piece)

    def finish(self, call_id: str, name: str, arguments: Arguments) -> Iterator[dict[str, Any]]:
        """Tell what of a call is missing. Raises `Diverged`."""
        call = self._found.get(call_id)
        if call is None:
            call, head = self._begin(call_id, name)
            yield from head
        self._confirmed += 1
        if piece := _rest(call.arguments, arguments):
            yield _piece(call, piece)

    def restart(self) -> None:
        """The step is told anew: its calls have other ids."""
        self._found = {}
        self._confirmed = 0
        for call in self._told:
            call.arguments.restart()

    def breaks(self) -> None:
        for call in self._told:
            call.arguments.breaks()

    def require_all(self) -> None:
        """Raises `Diverged` if a call was told that is none."""
        if self._confirmed != len(self._told):
            raise Diverged

    def _begin(self, call_id: str, name: str) -> tuple[_Call, list[dict[str, Any]]]:
        """Find the call that this one repeats, or make it known to the client."""
        n = len(self._found)
        if n < len(self._told):
            call = self._told[n]
            if call.name != name:
                raise Diverged
            self._found[call_id] = call
            return call, []
        call = _Call(n, call_id, name)
        self._told.append(call)
        self._found[call_id] = call
        function = {"name": name, "arguments": ""}
        return call, [{"index": n, "id": call_id, "type": "function", "function": function}]


def text_of(arguments: Arguments) -> str:
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


def _rest(spelling: Spelling, arguments: Arguments) -> str:
    """Return what of the arguments is to be sent: nothing if what was sent means the same."""
    sent = spelling.sent
    if sent.strip() and spelling.is_confirmed and arguments_of(sent) == arguments:
        return ""
    return spelling.finish(text_of(arguments))


def _piece(call: _Call, text: str) -> dict[str, Any]:
    return {"index": call.index, "function": {"arguments": text}}
