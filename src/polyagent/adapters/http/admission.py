"""How many requests a process has in hand: more are refused while they can still be answered."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from polyagent.domain.account import Actor
from polyagent.domain.errors import Overloaded

ALWAYS = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
FOR_ALL = 0.9
IN_TRANSIT = 128
HELD = "is_held"


class Admission:
    """Streams and waiting chats count too. The last tenth of `most` is for administrators.

    Until it is known who asks a request is in transit: beside `most` there is room for `IN_TRANSIT`,
    so that a rush of those who are refused keeps no administrator out.
    """

    def __init__(self, most: int) -> None:
        self.in_hand = 0
        self.most = most
        self._most_for_all = max(1, int(most * FOR_ALL))
        self._held = 0

    @contextmanager
    def counting(self, state: MutableMapping[str, Any]) -> Iterator[None]:
        """Have a request in hand inside; `state` is its own."""
        self.in_hand += 1
        try:
            yield
        finally:
            self.in_hand -= 1
            self._held -= state.get(HELD, False)

    def check(self, path: str) -> None:
        """Raises `Overloaded`."""
        if self.in_hand > self.most + IN_TRANSIT and path not in ALWAYS:
            raise Overloaded("The server has too much to do.")

    def hold(self, actor: Actor, state: MutableMapping[str, Any]) -> None:
        """Admit a request of somebody, until it ends. Raises `Overloaded`."""
        if self._held >= (self.most if actor.is_admin else self._most_for_all):
            raise Overloaded("The server has too much to do.")
        self._held += 1
        state[HELD] = True
