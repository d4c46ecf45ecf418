"""API keys: `pa_<id>_<secret>`, for programs that act for a user, within some of its rights."""

import hmac
import secrets
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from polyagent.domain.errors import Unauthenticated

PREFIX = "pa_"

Scope = Literal[
    "chat",
    "agents:read",
    "agents:write",
    "documents:read",
    "documents:write",
    "tasks:read",
    "tasks:write",
    "tools:execute",
    "admin",
]


class NewApiKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`expires_at` None: good until it is deleted."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    scopes: Annotated[frozenset[Scope], msgspec.Meta(min_length=1)]
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """`prefix` is what the key begins with: enough to tell it by, not to use it."""

    id: UUID
    user_id: UUID
    name: str
    scopes: list[Scope]
    prefix: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


class MadeApiKey(ApiKey, frozen=True, kw_only=True):
    """`secret` is the whole key, shown this once."""

    secret: str


class KeyOnFile(msgspec.Struct, frozen=True, kw_only=True):
    user_id: UUID
    secret_hash: bytes
    expires_at: datetime | None


class Secret(msgspec.Struct, frozen=True):
    """A key as its holder writes it."""

    key_id: UUID
    secret: str

    @classmethod
    def new(cls, key_id: UUID) -> "Secret":
        return cls(key_id, secrets.token_urlsafe(32))

    @classmethod
    def read(cls, text: str) -> "Secret":
        """Raises `Unauthenticated`."""
        key_id, _, secret = text.removeprefix(PREFIX).partition("_")
        try:
            return cls(UUID(hex=key_id), secret)
        except ValueError as error:
            raise unknown_key() from error

    @property
    def text(self) -> str:
        return f"{prefix_of(self.key_id)}_{self.secret}"

    @property
    def hash(self) -> bytes:
        return sha256(self.secret.encode("utf-8", "surrogatepass")).digest()

    def opens(self, key: KeyOnFile) -> bool:
        return hmac.compare_digest(self.hash, key.secret_hash)


def prefix_of(key_id: UUID) -> str:
    return f"{PREFIX}{key_id.hex}"


def unknown_key() -> Unauthenticated:
    return Unauthenticated("The API key is not good, or no more.")
