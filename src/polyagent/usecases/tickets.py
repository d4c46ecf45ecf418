"""Tickets: made for somebody who is known, given once by somebody who sends no header."""

import secrets
from datetime import timedelta
from hashlib import sha256

from polyagent.domain.account import Actor, Claims
from polyagent.domain.errors import Unauthenticated
from polyagent.domain.ticket import TICKET_S, Grant, NewTicket, Ticket
from polyagent.ports.clock import Clock
from polyagent.ports.tickets import Tickets


class ManageTickets:
    def __init__(self, tickets: Tickets, clock: Clock) -> None:
        self._tickets = tickets
        self._clock = clock

    async def make(self, actor: Actor, claims: Claims, new: NewTicket) -> Ticket:
        """Raises `Unavailable`."""
        actor.require("chat")
        ticket = secrets.token_urlsafe(32)
        grant = Grant(new.path.lower(), claims)
        await self._tickets.put(_digest(ticket), grant, ttl_s=TICKET_S)
        return Ticket(ticket, self._clock.now() + timedelta(seconds=TICKET_S))

    async def redeem(self, ticket: str, path: str) -> Claims:
        """Return whose ticket it was. At another address than its own it is spent all the same.

        Raises `Unauthenticated`, `Unavailable`.
        """
        grant = await self._tickets.take(_digest(ticket))
        if grant is None or grant.path != path.lower():
            raise Unauthenticated("The ticket is not good here, or no more: make a new one.")
        return grant.claims


def _digest(ticket: str) -> str:
    return sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
