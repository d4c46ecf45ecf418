"""Users, and actors: who asks, and what they may."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import msgspec

from polyagent.domain.errors import Forbidden, ScopeMissing

DEFAULT_WORKSPACE = UUID("00000000-0000-7000-8000-000000000001")

Role = Literal["viewer", "member", "admin"]
UserStatus = Literal["active", "suspended"]
Permission = Literal[
    "public",
    "profile",
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

_VIEWER: frozenset[Permission] = frozenset(
    {"public", "profile", "chat", "agents:read", "documents:read", "tasks:read"}
)
_MEMBER: frozenset[Permission] = _VIEWER | {
    "agents:write",
    "documents:write",
    "tasks:write",
    "tools:execute",
}
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    "viewer": _VIEWER,
    "member": _MEMBER,
    "admin": _MEMBER | {"admin"},
}

# Python's $ also stands before a last line end; readers of the OpenAPI document know no \Z
_END = r"$(?!\n)"
Username = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=rf"^[\w.@+-]+{_END}")]
Email = Annotated[
    str, msgspec.Meta(min_length=3, max_length=254, pattern=rf"^[^@\s]+@[^@\s]+{_END}")
]
Password = Annotated[str, msgspec.Meta(min_length=8, max_length=128)]


class Actor(msgspec.Struct, frozen=True):
    """Who acts. `scopes` narrow the role's rights (an API key); None means all of them."""

    user_id: UUID
    workspace_id: UUID
    role: Role
    scopes: frozenset[str] | None = None

    @classmethod
    def system(cls, workspace_id: UUID = DEFAULT_WORKSPACE) -> Self:
        """Return the server itself: it logs people in and makes the first user."""
        return cls(user_id=UUID(int=0), workspace_id=workspace_id, role="admin")

    @property
    def is_admin(self) -> bool:
        return self.role == "admin" and (self.scopes is None or "admin" in self.scopes)

    def require(self, permission: Permission) -> None:
        """Raise `Forbidden` unless the role has `permission`, `ScopeMissing` unless the key has."""
        if permission not in PERMISSIONS[self.role]:
            raise Forbidden(f"A {self.role} may not do this; it needs {permission}.")
        if self.scopes is not None and permission not in self.scopes | {"public", "profile"}:
            raise ScopeMissing(f"This key lacks the scope {permission}.")


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user as its owner and administrators see it."""

    id: UUID
    workspace_id: UUID
    username: str
    email: str
    role: Role
    status: UserStatus = "active"
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None = None


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What the server keeps of a user beside it; never leaves the server.

    Tokens name the `session_version` under which they were made; raising it kills them all.
    """

    user: User
    password_hash: str
    session_version: int = 1


class NewUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    username: Username
    email: Email
    password: Password
    role: Role = "member"


class Login(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`username` or `email`, exactly one."""

    username: str | None = None
    email: str | None = None
    password: str


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """`expires_in` is in seconds."""

    access_token: str
    refresh_token: str | None = None
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified access token says."""

    user_id: UUID
    session_version: int
    expires_at: datetime
