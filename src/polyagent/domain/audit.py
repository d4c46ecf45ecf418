"""What was done about access, and by whom: written once, changed by nobody."""

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
    "user.created",
    "user.changed",
    "user.deleted",
    "password.changed",
    "api_key.created",
    "api_key.used",
    "api_key.deleted",
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
