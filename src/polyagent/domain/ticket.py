"""Tickets: what a browser gives in an address, where it can send no header."""

from datetime import datetime
from typing import Annotated

import msgspec

from polyagent.domain.account import Claims

TICKET_S = 30

_ID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
TicketPath = Annotated[
    str, msgspec.Meta(pattern=rf"^(/ws(/chat/{_ID})?|/api/v1/runs/{_ID}/events)$")
]


class NewTicket(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"path": "for"}):
    """`for` is the one address that the ticket opens: /ws, /ws/chat/<id> or /api/v1/runs/<id>/events."""

    path: TicketPath


class Ticket(msgspec.Struct, frozen=True):
    """Good once, until `expires_at`."""

    ticket: str
    expires_at: datetime


class Grant(msgspec.Struct, frozen=True):
    """What a ticket stands for: somebody's credentials, at one address."""

    path: str
    claims: Claims
