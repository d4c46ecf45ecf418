"""`polyagent selftest` as a user starts it, and what it leaves behind: nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from redis import Redis
from tests.e2e.server import processes
from tests.engines import Cluster

LIMIT_S = 300
ROLE = "selftester"


@pytest.fixture
def place() -> Iterator[Path]:
    """A TMPDIR that the engines' account can enter, and that tells what was left."""
    path = Path(tempfile.mkdtemp(prefix="st-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


def environ(place: Path, **ours: str) -> dict[str, str]:
    named = ("DATABASE_URL", "REDIS_URL", "PYTHON_AI_URL", "JWT_SECRET")
    kept = {name: value for name, value in os.environ.items() if name not in named}
    return kept | {"TMPDIR": str(place), "POLYAGENT_DATA_DIR": str(place / "users"), **ours}


def selftest(place: Path, *words: str, **ours: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "polyagent", "selftest", *words],
        env=environ(place, **ours),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(place: Path) -> list[str]:
    """Return the files and the processes that are still there."""
    files = [str(path) for path in place.iterdir()]
    return files + [words for _, words, everything in processes() if str(place) in everything]


@pytest.fixture
def urls(cluster: Cluster, postgres_url: str, redis_url: str) -> Iterator[dict[str, str]]:
    cluster.sql(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
    mine = postgres_url.replace("polyagent@", f"{ROLE}@")
    yield {"DATABASE_URL": mine, "REDIS_URL": redis_url}
    cluster.sql(f"DROP ROLE {ROLE}")


async def databases(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return sorted(r["datname"] for r in await connection.fetch("SELECT * FROM pg_database"))
    finally:
        await connection.close()


async def test_on_the_users_engines_all_holds_and_nothing_is_left(
    place: Path, urls: dict[str, str], postgres_url: str
) -> None:
    before = await databases(postgres_url)

    with selftest(place, "--kills", "3", "--seed", "1", "--json", **urls) as process:
        stdout, stderr = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 0, stdout + stderr
    found = json.loads(stdout)
    assert found["faults"] == []
    assert found["ground"] == [
        "a database of its own in your PostgreSQL",
        "a numbered database of its own in your Redis",
    ]
    assert (found["kills"]["done"], found["kills"]["in_a_call"]) == (3, 3)
    assert found["runs"]["accepted"] == found["runs"]["completed"] > 0
    assert found["takeovers"]["seen"] > 0
    assert await databases(postgres_url) == before
    with Redis.from_url(urls["REDIS_URL"]) as redis:
        assert redis.info("keyspace") == {}
    assert left(place) == []


def test_ctrl_c_leaves_nothing_behind(place: Path) -> None:
    with selftest(place, "--kills", "50") as process:
        assert process.stdout is not None
        said = next(line for line in process.stdout if line.startswith("Kill 1"))
        process.send_signal(signal.SIGINT)
        rest, stderr = process.communicate(timeout=LIMIT_S)

    assert "in the middle of" in said
    assert process.returncode == 130, stderr
    assert rest.splitlines()[-1] == "Stopped; nothing is left behind."
    assert left(place) == []


def test_a_role_that_may_not_create_databases_is_not_in_the_way(
    place: Path, postgres_url: str
) -> None:
    with selftest(place, "--kills", "1", DATABASE_URL=postgres_url) as process:
        stdout, stderr = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 0, stderr + stdout
    assert "DATABASE_URL is left alone: The role may not create databases." in stdout
    assert "thrown away" in stdout
