"""Refresh tokens: each login has a family of them, of which the newest alone is good."""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from hashlib import sha256
from typing import Self
from uuid import UUID

import msgspec

from polyagent.domain.errors import Unauthenticated

HALF_BYTES = 32


class RefreshToken(msgspec.Struct, frozen=True):
    """`family` is in all tokens of a family, `own` in this one only; both are secrets of 256 bits.

    So a dead token is known for one of its family without a row of its own.
    """

    family: bytes
    own: bytes

    @classmethod
    def new(cls) -> Self:
        return cls(secrets.token_bytes(HALF_BYTES), secrets.token_bytes(HALF_BYTES))

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises `Unauthenticated`."""
        try:
            both = urlsafe_b64decode(text.encode("ascii") + b"==")
        except ValueError as error:
            raise stale() from error
        if len(both) != 2 * HALF_BYTES:
            raise stale()
        return cls(both[:HALF_BYTES], both[HALF_BYTES:])

    @property
    def text(self) -> str:
        return urlsafe_b64encode(self.family + self.own).rstrip(b"=").decode()

    @property
    def family_hash(self) -> bytes:
        return sha256(self.family).digest()

    @property
    def own_hash(self) -> bytes:
        return sha256(self.own).digest()

    def successor(self, key: bytes) -> Self:
        """Return the token that `key` makes of this one, the same each time."""
        return type(self)(self.family, hmac.digest(key, self.own, "sha256"))


class TokenFamily(msgspec.Struct, frozen=True, kw_only=True):
    """`token_hash` is the newest token's; `successor_key` made it of the one before."""

    id: UUID
    user_id: UUID
    family_hash: bytes
    token_hash: bytes
    expires_at: datetime
    successor_key: bytes | None = None


def stale() -> Unauthenticated:
    return Unauthenticated("The refresh token is not good, or no more: log in again.")
