"""Why a PostgreSQL does not let us in, and what its administrator has to type."""

from urllib.parse import unquote, urlsplit

import asyncpg

from polyagent.adapters.postgres.pool import SCHEMA, dsn
from polyagent.configuration.wording import masked
from polyagent.domain.finding import Finding, problem

AS_SUPERUSER = "as a superuser, run:"

# https://www.postgresql.org/docs/current/errcodes-appendix.html
_ADVICE = {
    "28P01": "check the role and the password in DATABASE_URL",
    "53300": "raise max_connections, or close what holds them",
    "57P03": "wait until it has started",
    "08P01": "a pooler must pass on the parameters that a client sets as it connects",
}


def refused(url: str | None, error: BaseException) -> Finding:
    """Tell a connection that was not made."""
    where = masked("database.url", url)
    said = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, asyncpg.PostgresError):
        start = "start it, or check host and port in DATABASE_URL"
        return problem("postgres", f"no answer at {where}: {said}", start)
    statements = _statements(error, *_names(url))
    advice = AS_SUPERUSER if statements else _ADVICE.get(error.sqlstate or "")
    return problem("postgres", f"{where} refuses us: {said}", advice, statements)


def _statements(error: asyncpg.PostgresError, role: str, database: str) -> tuple[str, ...]:
    match error:
        case asyncpg.InvalidCatalogNameError():
            return (f"CREATE DATABASE {database} OWNER {role};",)
        case asyncpg.InsufficientPrivilegeError():
            return (f"GRANT CONNECT ON DATABASE {database} TO {role};",)
        case asyncpg.InvalidAuthorizationSpecificationError() if "not permitted" in str(error):
            return (f"ALTER ROLE {role} LOGIN;",)
        case asyncpg.InvalidAuthorizationSpecificationError() if "does not exist" in str(error):
            return (f"CREATE ROLE {role} LOGIN PASSWORD '...';",)
        case _:
            return ()


def _names(url: str | None) -> tuple[str, str]:
    """Return the role and the database of a URL, quoted as identifiers."""
    parts = urlsplit(dsn(url))
    role = unquote(parts.username or SCHEMA)
    return quoted(role), quoted(unquote(parts.path.lstrip("/")) or role)


def quoted(name: str) -> str:
    """Return an identifier as SQL writes it, also a word of SQL's own."""
    return '"{}"'.format(name.replace('"', '""'))
