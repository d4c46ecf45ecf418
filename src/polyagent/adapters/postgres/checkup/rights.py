"""What our role may do, and the statements that would let it do the rest."""

from collections.abc import AsyncGenerator

import asyncpg

from polyagent.adapters.postgres.checkup.refusals import quoted
from polyagent.adapters.postgres.migrate import is_known, newest
from polyagent.adapters.postgres.pool import SCHEMA
from polyagent.domain.finding import Finding, ok, problem

LOOK = """
SELECT current_user AS role, current_database() AS database,
    has_database_privilege(current_database(), 'CREATE') AS may_make_schema,
    n.oid IS NOT NULL AS has_schema,
    coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS may_use,
    coalesce(has_schema_privilege(n.oid, 'CREATE'), false) AS may_create
FROM (SELECT) AS one LEFT JOIN pg_namespace n ON n.nspname = $1
"""

# What a view or a function of ours is owned by matters only to migrations, as with tables.
RELATIONS = """
SELECT c.relname AS name, c.relkind = 'S' AS is_sequence,
    CASE c.relkind WHEN 'S' THEN has_sequence_privilege(c.oid, 'USAGE') ELSE
        has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND (c.relname = 'audit'
            OR has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
    END AS may_use,
    c.relkind = 'S' OR pg_has_role(c.relowner, 'USAGE') AS is_owned
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'S')
ORDER BY c.relname
"""

FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, pg_has_role(p.proowner, 'USAGE') AS is_owned
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = $1 ORDER BY 1
"""

REVISION = f"SELECT version_num FROM {SCHEMA}.alembic_version"  # noqa: S608 - a constant
MIGRATE = "run `polyagent migrate`; `up` does it by itself"


async def rights(connection: "asyncpg.Connection[asyncpg.Record]") -> AsyncGenerator[Finding, None]:
    """Find where the schema stands and which rights are missing for it."""
    look = await connection.fetchrow(LOOK, SCHEMA)
    assert look is not None  # noqa: S101 - a left join from one row
    role, advice = quoted(look["role"]), f"in database {look['database']}, as its owner, run:"
    if not look["has_schema"]:
        for finding in _without_schema(look, role, advice):
            yield finding
        return
    relations = await connection.fetch(RELATIONS, SCHEMA)
    if missing := _missing(look, relations, role):
        text = f"role {look['role']} lacks rights on schema {SCHEMA}"
        yield problem("postgres", text, advice, missing)
        return
    revision = await _revision(connection, relations)
    yield _schema(revision)
    if revision == newest():
        yield ok("postgres", f"role {look['role']} has the rights that it needs")
    elif statements := await _for_migrations(connection, look, relations, role):
        yield problem("postgres", f"role {look['role']} may not migrate", advice, statements)


def _without_schema(look: asyncpg.Record, role: str, advice: str) -> list[Finding]:
    found = [problem("postgres", f"it has no schema {SCHEMA} yet", MIGRATE)]
    if not look["may_make_schema"]:
        text = f"role {look['role']} may not make the schema {SCHEMA}"
        statement = f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {role};"
        found.append(problem("postgres", text, advice, (statement,)))
    return found


def _missing(look: asyncpg.Record, relations: list[asyncpg.Record], role: str) -> tuple[str, ...]:
    """Return the grants without which a migrated schema cannot be used."""
    lines = []
    if not look["may_use"]:
        lines.append(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role};")
    if any(not row["may_use"] and not row["is_sequence"] for row in relations):
        rights = "SELECT, INSERT, UPDATE, DELETE"
        lines.append(f"GRANT {rights} ON ALL TABLES IN SCHEMA {SCHEMA} TO {role};")
    if any(not row["may_use"] and row["is_sequence"] for row in relations):
        lines.append(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {SCHEMA} TO {role};")
    if lines and not relations and not look["may_create"]:
        lines.append(f"GRANT CREATE ON SCHEMA {SCHEMA} TO {role};")
    return tuple(lines)


async def _revision(
    connection: "asyncpg.Connection[asyncpg.Record]", relations: list[asyncpg.Record]
) -> str | None:
    if not any(row["name"] == "alembic_version" for row in relations):
        return None
    found: str | None = await connection.fetchval(REVISION)
    return found


def _schema(revision: str | None) -> Finding:
    if revision == newest():
        return ok("postgres", f"its schema is at {revision}, as it should")
    if revision is not None and not is_known(revision):
        text = f"its schema is at {revision}, which a newer PolyAgent made"
        return problem("postgres", text, "run that version, or go back with its `migrate --down`")
    return problem("postgres", f"its schema is at {revision or 'nothing'}, not {newest()}", MIGRATE)


async def _for_migrations(
    connection: "asyncpg.Connection[asyncpg.Record]",
    look: asyncpg.Record,
    relations: list[asyncpg.Record],
    role: str,
) -> tuple[str, ...]:
    lines = [] if look["may_create"] else [f"GRANT CREATE ON SCHEMA {SCHEMA} TO {role};"]
    lines += [
        f"ALTER TABLE {SCHEMA}.{quoted(row['name'])} OWNER TO {role};"
        for row in relations
        if not row["is_owned"]
    ]
    functions = await connection.fetch(FUNCTIONS, SCHEMA)
    lines += [
        f"ALTER FUNCTION {SCHEMA}.{row['name'].removeprefix(f'{SCHEMA}.')} OWNER TO {role};"
        for row in functions
        if not row["is_owned"]
    ]
    return tuple(lines)
