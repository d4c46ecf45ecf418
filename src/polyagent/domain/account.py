"""Users, and actors: who asks, and what they may."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import msgspec

from polyagent.domain.agent import merge
from polyagent.domain.errors import Fault, Forbidden, Invalid, ScopeMissing
from polyagent.domain.names import Email, Username

DEFAULT_WORKSPACE = UUID("00000000-0000-7000-8000-000000000001")

Role = Literal["viewer", "member", "admin"]
UserStatus = Literal["active", "suspended"]
Permission = Literal[
    "public",
    "profile",
    "profile:write",
    "keys",
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
    {"public", "profile", "profile:write", "chat", "agents:read", "documents:read", "tasks:read"}
)
_MEMBER: frozenset[Permission] = _VIEWER | {
    "keys",
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

OF_ANY_KEY: frozenset[Permission] = frozenset({"public", "profile"})
OF_NO_KEY: frozenset[Permission] = frozenset({"profile:write", "keys"})
"""What a stolen key must not lead to: another password, another email, more keys."""

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

    @property
    def as_member(self) -> Self:
        """The same user without an administrator's rights: it sees only what is its own or shared."""
        return msgspec.structs.replace(self, role="member") if self.role == "admin" else self

    def may(self, permission: Permission) -> bool:
        try:
            self.require(permission)
        except Forbidden:
            return False
        return True

    def require(self, permission: Permission) -> None:
        """Raise `Forbidden` unless the role has `permission`, `ScopeMissing` unless the key has."""
        if permission not in PERMISSIONS[self.role]:
            raise Forbidden(f"A {self.role} may not do this; it needs {permission}.")
        if self.scopes is None or permission in self.scopes | OF_ANY_KEY:
            return
        if permission in OF_NO_KEY:
            raise ScopeMissing("An API key may not do this: log in.")
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


def changed(before: User, after: User) -> dict[str, dict[str, str]]:
    """Return what became of role and status; settings are the user's own business."""
    names = ("role", "status")
    changes = {name: (getattr(before, name), getattr(after, name)) for name in names}
    return {name: {"from": was, "to": now} for name, (was, now) in changes.items() if was != now}


def is_administrator(user: User) -> bool:
    return user.role == "admin" and user.status == "active"


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


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    username: Username
    email: Email
    password: Password


Given = Annotated[str, msgspec.Meta(max_length=254)]


Settings = dict[str, Any]
MAX_SETTINGS_BYTES = 16_384
APPLICATION = "application"
"""The setting of a user whose end users take turns of their own: administrators set it."""


class PatchProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch: what is UNSET stays. A new `password` needs the `current_password`."""

    email: Email | msgspec.UnsetType = msgspec.UNSET
    settings: Settings | msgspec.UnsetType | None = msgspec.UNSET
    password: Password | msgspec.UnsetType = msgspec.UNSET
    current_password: Annotated[str, msgspec.Meta(max_length=128)] | msgspec.UnsetType = (
        msgspec.UNSET
    )


class PutProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    email: Email
    settings: Settings


class PatchUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch: what is UNSET stays."""

    role: Role | msgspec.UnsetType = msgspec.UNSET
    status: UserStatus | msgspec.UnsetType = msgspec.UNSET
    settings: Settings | msgspec.UnsetType | None = msgspec.UNSET


def merged_settings(now: Settings, patch: Settings | None) -> Settings:
    """Apply a merge patch to settings; null clears them. Raises `Invalid` if they grow too large."""
    settings: Settings = {} if patch is None else merge(now, patch)
    if len(msgspec.json.encode(settings)) > MAX_SETTINGS_BYTES:
        fault = Fault("#/settings", f"They are larger than {MAX_SETTINGS_BYTES} bytes.")
        raise Invalid(fault.detail, faults=(fault,))
    return settings


class Login(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`username` or `email`, exactly one."""

    username: Given | None = None
    email: Given | None = None
    password: Annotated[str, msgspec.Meta(max_length=128)]


class Refresh(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    refresh_token: Given


class LoginPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator decides. Within `refresh_grace_s` a token may be given twice."""

    registration: Literal["open", "closed"] = "closed"
    refresh_lifetime_s: float = 30 * 86_400
    refresh_idle_s: float = 7 * 86_400
    refresh_grace_s: float = 0


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """`expires_in` is in seconds."""

    access_token: str
    refresh_token: str | None = None
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What verified credentials say.

    A token of a login names its `family_id`, one that an operator made the user's `session_version`;
    an API key is its `key_id`. What another issuer vouches for has none of them.
    """

    user_id: UUID
    session_version: int | None = 0
    family_id: UUID | None = None
    key_id: UUID | None = None
    expires_at: datetime
