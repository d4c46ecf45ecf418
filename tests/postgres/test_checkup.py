"""What the doctor says of a PostgreSQL, and that its statements are the ones that help."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import count
from urllib.parse import urlsplit

import msgspec
import pytest

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.postgres.checkup.checkup import checkup
from polyagent.adapters.postgres.migrate import downgrade, newest, upgrade
from polyagent.adapters.system.clock import SystemClock
from polyagent.domain.finding import Finding
from polyagent.ports.clock import Clock
from polyagent.settings import Database
from tests.engines import ROLE, TEMPLATE, Cluster
from tests.postgres.pooler import transaction_pooler

_numbers = count()


async def looked(
    url: str, *, clock: Clock | None = None, processes: int = 2, **more: object
) -> list[Finding]:
    settings = msgspec.convert({"url": url, **more}, Database)
    look = checkup(settings, clock or SystemClock(), processes=processes, leeway_s=60)
    return [finding async for finding in look]


def problems(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level == "problem"]


def needed(findings: list[Finding]) -> list[str]:
    return [statement for finding in findings for statement in finding.statements]


class Stranger:
    """A role that may do nothing, on a database of somebody else."""

    def __init__(self, cluster: Cluster, template: str) -> None:
        self.role = f"Stranger {next(_numbers)}"
        self._cluster = cluster
        self._own = cluster.create(template=template)
        self.database = urlsplit(self._own).path.lstrip("/")
        cluster.sql(f'CREATE ROLE "{self.role}" LOGIN')
        self.url = self._own.replace(f"{ROLE}@", f"{self.role.replace(' ', '%20')}@")

    def runs(self, statements: list[str]) -> None:
        for statement in statements:
            self._cluster.sql_in(self.database, statement)

    def leaves(self) -> None:
        self._cluster.drop(self._own)
        self._cluster.sql(f'DROP ROLE "{self.role}"')


@pytest.fixture
def stranger(cluster: Cluster) -> Iterator[Stranger]:
    stranger = Stranger(cluster, TEMPLATE)
    yield stranger
    stranger.leaves()


@pytest.fixture
def newcomer(cluster: Cluster) -> Iterator[Stranger]:
    """On a database that was never migrated."""
    newcomer = Stranger(cluster, "template0")
    yield newcomer
    newcomer.leaves()


async def test_a_database_that_is_as_it_should_be_has_no_problem(postgres_url: str) -> None:
    findings = await looked(postgres_url)

    assert problems(findings) == []
    assert any(f"at {newest()}, as it should" in finding.text for finding in findings)


async def test_the_statements_that_a_newcomer_lacks_let_it_migrate(newcomer: Stranger) -> None:
    found = await looked(newcomer.url)
    assert needed(found) == [f'CREATE SCHEMA polyagent AUTHORIZATION "{newcomer.role}";']

    newcomer.runs(needed(found))

    assert needed(await looked(newcomer.url)) == []
    await upgrade(Database(url=newcomer.url))
    assert problems(await looked(newcomer.url)) == []


async def test_the_statements_that_a_stranger_lacks_let_it_work(stranger: Stranger) -> None:
    found = await looked(stranger.url)
    assert needed(found) == [
        f'GRANT USAGE ON SCHEMA polyagent TO "{stranger.role}";',
        f'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA polyagent TO "{stranger.role}";',
        f'GRANT USAGE ON ALL SEQUENCES IN SCHEMA polyagent TO "{stranger.role}";',
    ]

    stranger.runs(needed(found))

    assert problems(await looked(stranger.url)) == []


async def test_the_statements_that_a_user_of_the_schema_lacks_let_it_migrate(
    stranger: Stranger,
) -> None:
    stranger.runs(needed(await looked(stranger.url)))
    await downgrade(Database(url=stranger._own), "0002")
    found = await looked(stranger.url)
    assert f'GRANT CREATE ON SCHEMA polyagent TO "{stranger.role}";' in needed(found)

    stranger.runs(needed(found))
    await upgrade(Database(url=stranger.url))

    assert problems(await looked(stranger.url)) == []


async def test_a_schema_that_is_behind_says_migrate(cluster: Cluster) -> None:
    url = cluster.create(template=TEMPLATE)
    await downgrade(Database(url=url), "0002")

    (behind,) = problems(await looked(url))

    assert (behind.text, behind.statements) == (f"its schema is at 0002, not {newest()}", ())
    assert "polyagent migrate" in str(behind.advice)
    cluster.drop(url)


async def test_a_schema_of_a_newer_version_is_not_to_be_migrated(cluster: Cluster) -> None:
    url = cluster.create(template=TEMPLATE)
    name = urlsplit(url).path.lstrip("/")
    cluster.sql_in(name, "UPDATE polyagent.alembic_version SET version_num = '9999'")

    (newer,) = problems(await looked(url))

    assert newer.text == "its schema is at 9999, which a newer PolyAgent made"
    cluster.drop(url)


async def test_a_database_that_does_not_exist_comes_with_the_line_that_makes_it(
    cluster: Cluster, postgres_url: str
) -> None:
    url = postgres_url.replace(urlsplit(postgres_url).path, "/not_there")

    (away,) = await looked(url)

    assert away.statements == ('CREATE DATABASE "not_there" OWNER "polyagent";',)


async def test_a_role_that_may_not_connect_comes_with_the_grant(stranger: Stranger) -> None:
    stranger.runs([f"REVOKE CONNECT ON DATABASE {stranger.database} FROM public"])

    (refused,) = await looked(stranger.url)

    grant = f'GRANT CONNECT ON DATABASE "{stranger.database}" TO "{stranger.role}";'
    assert refused.statements == (grant,)


async def test_a_role_that_may_not_log_in_comes_with_the_line(stranger: Stranger) -> None:
    stranger.runs([f'ALTER ROLE "{stranger.role}" NOLOGIN'])

    (refused,) = await looked(stranger.url)

    assert refused.statements == (f'ALTER ROLE "{stranger.role}" LOGIN;',)


async def test_no_server_is_said_without_the_password() -> None:
    (away,) = await looked("postgresql://me:hidden@127.0.0.1:1/x")

    assert away.text.startswith("no answer at postgresql://me:***@127.0.0.1:1/x: ")


async def test_too_many_connections_are_told_with_how_many_would_fit(postgres_url: str) -> None:
    findings = await looked(postgres_url, max_open_conns=120)

    (finding,) = [finding for finding in findings if "connections are allowed" in finding.text]
    assert finding.level == "warning"
    assert finding.text == "197 connections are allowed; 2 processes may open 243"
    assert finding.advice == "set database.max_open_conns to 97, or raise max_connections"


async def test_the_limit_of_the_role_counts(stranger: Stranger) -> None:
    stranger.runs([f'ALTER ROLE "{stranger.role}" CONNECTION LIMIT 10'])
    stranger.runs(needed(await looked(stranger.url)))

    findings = await looked(stranger.url)

    assert any(finding.text.startswith("10 connections are allowed") for finding in findings)


@pytest.mark.parametrize(("minutes", "level"), [(0, "ok"), (0.5, "warning"), (-5, "problem")])
async def test_clocks_that_differ_are_told(postgres_url: str, minutes: float, level: str) -> None:
    clock = ManualClock(SystemClock().now() + timedelta(minutes=minutes))

    findings = await looked(postgres_url, clock=clock)

    (finding,) = [finding for finding in findings if "clock" in finding.text]
    assert finding.level == level


@pytest.fixture
async def pooled_url(cluster: Cluster, postgres_url: str) -> AsyncIterator[str]:
    database = urlsplit(postgres_url).path.lstrip("/")
    socket = f"{postgres_url.partition('host=')[2]}/.s.PGSQL.5432"
    async with transaction_pooler(socket, ROLE, database) as url:
        yield url


def _about_liveness(findings: list[Finding]) -> Finding:
    (found,) = [finding for finding in findings if "shows liveness" in finding.text]
    return found


async def test_a_transaction_pooler_is_noticed(pooled_url: str, postgres_url: str) -> None:
    pooled = _about_liveness(await looked(pooled_url))
    straight = _about_liveness(await looked(postgres_url))

    assert (pooled.level, straight.level) == ("warning", "ok")
    assert "DATABASE_DIRECT_URL" in str(pooled.advice)


async def test_a_direct_way_past_the_pooler_is_enough(pooled_url: str, postgres_url: str) -> None:
    assert _about_liveness(await looked(pooled_url, direct_url=postgres_url)).level == "ok"


async def test_a_direct_way_that_leads_nowhere_is_a_problem(postgres_url: str) -> None:
    found = problems(await looked(postgres_url, direct_url="postgresql://me:hidden@127.0.0.1:1/x"))

    assert [finding.text.partition(":")[0] for finding in found] == [
        "DATABASE_DIRECT_URL does not answer"
    ]
    assert "hidden" not in found[0].text
