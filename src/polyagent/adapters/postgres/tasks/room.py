"""How many of something a user may have: those who make them at once are counted one after another."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from polyagent.adapters.postgres.statements import Statements
from polyagent.domain.errors import TooManyOpen

WEBHOOKS, SCHEDULES = 11, 12
"""The first keys of advisory locks."""

_LOCK = text("SELECT pg_advisory_xact_lock(:lock, hashtext(CAST(:user_id AS text)))")


async def require_room(
    statements: Statements, lock: int, owner: Any, user_id: UUID, most: int, what: str
) -> None:
    """Raise `TooManyOpen` if the user has `most` rows; `owner` is the column that says whose they are."""
    await statements.all(_LOCK, {"lock": lock, "user_id": str(user_id)})
    counted = select(func.count()).where(owner == user_id)
    if (await statements.all(counted))[0]["count"] >= most:
        raise TooManyOpen(f"A user has at most {most} {what}: delete one first.")
