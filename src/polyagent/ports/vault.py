"""Secrets: passwords and tokens."""

from typing import Protocol
from uuid import UUID

from polyagent.domain.account import Claims


class Passwords(Protocol):
    async def hash(self, password: str) -> str:
        """Raises `Limited` when too many are waiting."""

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Compare; None (no such user) takes as long and is False. Raises `Limited`."""


class TokenRing(Protocol):
    def issue(
        self, user_id: UUID, session_version: int, *, lifetime_s: int | None = None
    ) -> tuple[str, int]:
        """Return a signed access token and its lifetime in seconds (None: the configured one)."""

    def verify(self, token: str) -> Claims:
        """Raises `TokenExpired`, `Unauthenticated`. https://www.rfc-editor.org/rfc/rfc9068"""
