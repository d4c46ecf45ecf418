"""What PostgreSQL, its drivers and the network say, in the product's words."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from polyagent.domain.errors import Conflict, Invalid, NameTaken, PolyAgentError, StoreUnavailable

TAKEN = {
    "agents_name_key": "You have an agent of this name already.",
    "schedules_name_key": "You have a schedule of this name already.",
    "users_username_key": "This username is taken.",
    "users_email_key": "This email is in use.",
}

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_UNFIT = ("22", "54")
_AWAY = ("08", "28", "3D", "40", "53", "57", "55P03", "25006", "25P03", "25P04")
_NOT_MIGRATED = ("3F000", "42P01", "42703")
_UNIQUE = "23505"

_DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@contextmanager
def translated() -> Iterator[None]:
    """Raise as domain errors what a statement, or getting a connection for it, raises.

    Defects of ours (a syntax error, a broken foreign key) pass as they are.
    """
    try:
        yield
    except DBAPIError as error:
        cause = error.orig.__cause__ if error.orig else None
        if meaning := _meaning(cause):
            raise meaning from error
        raise
    except _DRIVER_ERRORS as error:
        if meaning := _meaning(error):
            raise meaning from error
        raise
    except (OSError, TimeoutError, PoolExhausted) as error:
        raise _away() from error


def _meaning(error: BaseException | None) -> PolyAgentError | None:
    if isinstance(error, asyncpg.PostgresError):
        return _answered(error)
    if isinstance(error, ValueError):  # an argument that the driver cannot encode
        return Invalid("PostgreSQL cannot store a value of this request.")
    return _away() if isinstance(error, _DRIVER_ERRORS) else None


def _answered(error: asyncpg.PostgresError) -> PolyAgentError | None:
    state = error.sqlstate or ""
    if state == _UNIQUE:
        return _taken(error.constraint_name)
    if state.startswith(_UNFIT):
        return Invalid("PostgreSQL cannot store a value of this request.")
    if state in _NOT_MIGRATED:
        return StoreUnavailable("The database lacks migrations: run `polyagent migrate`.")
    return _away() if state.startswith(_AWAY) else None


def _taken(constraint: str | None) -> Conflict:
    detail = TAKEN.get(constraint or "")
    return NameTaken(detail) if detail else Conflict("There is one like this already.")


def _away() -> StoreUnavailable:
    return StoreUnavailable("PostgreSQL does not answer now.")
