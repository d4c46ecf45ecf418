"""Secrets: passwords and tokens."""

from typing import Protocol
from uuid import UUID

from polyagent.domain.account import Claims
from polyagent.domain.identity import Stranger


class Passwords(Protocol):
    async def hash(self, password: str) -> str:
        """Raises `Limited` when too many are waiting."""

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Compare; None (no such user) takes as long and is False. Raises `Limited`."""


class TokenRing(Protocol):
    def issue(
        self,
        user_id: UUID,
        session_version: int = 0,
        *,
        family_id: UUID | None = None,
        lifetime_s: int | None = None,
    ) -> tuple[str, int]:
        """Return a signed access token and its lifetime in seconds (None: the configured one)."""

    def verify(self, token: str) -> Claims:
        """Raises `TokenExpired`, `Unauthenticated`. https://www.rfc-editor.org/rfc/rfc9068"""


class ForeignTokens(Protocol):
    async def verify(self, token: str) -> Stranger | None:
        """Return whom a token of another issuer names; None: none of those that we trust made it.

        Raises `TokenExpired`, `Unauthenticated`, and `Unavailable` if the issuer's keys cannot be had.
        https://www.rfc-editor.org/rfc/rfc7517
        """


class Seals(Protocol):
    """What is kept secret at rest. `about` names what it belongs to: sealed for one, it opens for no other."""

    def seal(self, secret: bytes, about: bytes) -> bytes: ...

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Raises `SealBroken`: the key is gone, or it was sealed for something else."""
