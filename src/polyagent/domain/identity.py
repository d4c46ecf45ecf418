"""People whom another issuer of tokens vouches for."""

from datetime import datetime
from uuid import UUID

import msgspec

from polyagent.domain.account import Role
from polyagent.domain.errors import Invalid
from polyagent.domain.names import fit_email, fit_username


class Stranger(msgspec.Struct, frozen=True, kw_only=True):
    """`role` None: the issuer says nothing of it. `username` and `email` are what it calls them."""

    issuer: str
    subject: str
    username: str | None = None
    email: str | None = None
    role: Role | None = None
    expires_at: datetime


def username_of(stranger: Stranger, user_id: UUID, *, taken: bool) -> str:
    """Return what to call a stranger: what its issuer does, told apart if somebody has that name."""
    for name in (stranger.username, (stranger.email or "").partition("@")[0]):
        if not name:
            continue
        try:
            return fit_username(f"{name[:50]}-{user_id.hex[-8:]}" if taken else name[:64])
        except Invalid:
            continue
    return f"user-{user_id.hex[-12:]}"


def email_of(stranger: Stranger, user_id: UUID, *, taken: bool) -> str:
    """Return a stranger's email; one that leads nowhere if it has none, or if it is somebody's here.

    Nobody gets another's account by an email that its issuer never proved.
    """
    nowhere = f"{user_id.hex}@users.invalid"
    if taken or stranger.email is None:
        return nowhere
    try:
        return fit_email(stranger.email)
    except Invalid:
        return nowhere
