"""What was done about access, and by whom: written once, changed by nobody."""

from collections import Counter
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

Action = Literal[
    "login",
    "logout",
    "refresh_token.reused",
    "request",
    "credentials",
    "origin",
    "user.created",
    "user.changed",
    "user.deleted",
    "password.changed",
    "api_key.created",
    "api_key.used",
    "api_key.read",
    "api_key.deleted",
    "token.made",
    "webhook.created",
    "webhook.changed",
    "webhook.disabled",
    "webhook.deleted",
    "webhook.read",
    "webhook.sent",
    "session.read",
    "session.changed",
    "session.deleted",
    "run.read",
    "run.cancelled",
    "agent.read",
    "agent.changed",
    "agent.deleted",
    "document.read",
    "document.changed",
    "document.deleted",
    "usage.read",
    "task.read",
    "task.cancelled",
    "task.retried",
    "schedule.read",
    "schedule.changed",
    "schedule.deleted",
    "schedule.triggered",
]
Outcome = Literal["done", "refused"]

CLIENT: ContextVar[str | None] = ContextVar("client", default=None)
"""The address that the request under way came from."""


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """`actor_id` None: nobody who is known. `object` is what it was done to, as an id or an address.

    `client` is the address that it was asked from, None where no request asked.
    """

    id: UUID
    at: datetime
    actor_id: UUID | None = None
    action: Action
    outcome: Outcome = "done"
    object: str | None = None
    client: str | None = None
    details: dict[str, Any] = msgspec.field(default_factory=dict)


WINDOW_S = 60.0
MOST_OF_ONE = 5
MOST_OF_ALL = 60


class Flood:
    """How many refusals of each action one process notes a minute, so that strangers cannot fill the disk.

    Nor can those of one action hide those of another.

    What is left out is counted: the next entry of its action says how many there were.
    """

    def __init__(self) -> None:
        self._until_s = 0.0
        self._noted: Counter[tuple[Action, str]] = Counter()
        self._of_all: Counter[Action] = Counter()
        self._left_out: Counter[str] = Counter()

    def admit(self, action: Action, about: str, now_s: float) -> int | None:
        """Return how many were left out before this one; None if it is to be left out too."""
        if now_s >= self._until_s:
            self._until_s = now_s + WINDOW_S
            self._noted.clear()
            self._of_all.clear()
        kind = (action, about)
        if self._noted[kind] >= MOST_OF_ONE or self._of_all[action] >= MOST_OF_ALL:
            self._left_out[action] += 1
            return None
        self._noted[kind] += 1
        self._of_all[action] += 1
        return self._left_out.pop(action, 0)
