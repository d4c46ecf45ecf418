"""How many requests a process has in hand: more are refused while they can still be answered."""

from polyagent.domain.account import Actor
from polyagent.domain.errors import Overloaded

ALWAYS = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
FOR_ALL = 0.9


class Admission:
    """Streams and waiting chats count too. The last tenth of `most` is for administrators."""

    def __init__(self, most: int) -> None:
        self.in_hand = 0
        self.most = most
        self._most_for_all = max(1, int(most * FOR_ALL))

    def check(self, path: str) -> None:
        """Raises `Overloaded`."""
        if self.in_hand > self.most and path not in ALWAYS:
            raise Overloaded("The server has too much to do.")

    def check_actor(self, actor: Actor) -> None:
        """Raises `Overloaded`."""
        if self.in_hand > self._most_for_all and not actor.is_admin:
            raise Overloaded("The server has too much to do.")
