"""What the doctor says of a data directory, a port and the engines."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyagent.adapters.engines.checkup.machine import engines
from polyagent.adapters.engines.checkup.place import place
from polyagent.adapters.engines.checkup.server import exposed, listening
from polyagent.adapters.engines.datadir import DataDir
from polyagent.adapters.engines.host.lock import Lock, pause
from polyagent.domain.finding import Finding
from polyagent.settings import Database, Redis, Server, Settings


def told(findings: Iterator[Finding]) -> str:
    return "\n".join(f"{finding.level}: {finding.text}" for finding in findings)


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    """A data directory that was used."""
    data = DataDir(tmp_path / "data")
    data.open()
    return data


def test_a_directory_that_does_not_exist_is_made_by_up(tmp_path: Path) -> None:
    assert told(place(tmp_path / "a" / "b")).startswith("ok: ")
    assert list(tmp_path.iterdir()) == []


def test_a_good_one_has_no_problem_and_tells_who_uses_it(data: DataDir) -> None:
    before = told(place(data.path))
    with Lock(data.lock) as lock:
        lock.acquire(pause=pause)
        during = told(place(data.path))

    assert "in use by nobody" in before
    assert f"in use by process {os.getpid()}" in during
    assert {line.partition(":")[0] for line in before.splitlines()} == {"ok"}


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert told(place(tmp_path / "file")).startswith("problem: ")


def test_one_of_another_layout_is_a_problem(data: DataDir) -> None:
    (data.path / "VERSION").write_text("99\n")

    assert "problem: it has layout '99'" in told(place(data.path))


def test_one_that_others_look_into_comes_with_the_line_that_closes_it(data: DataDir) -> None:
    data.path.chmod(0o755)
    data.secret("jwt.secret")
    (data.path / "jwt.secret").chmod(0o644)

    found = list(place(data.path))

    statements = [statement for finding in found for statement in finding.statements]
    mode = "711" if os.geteuid() == 0 else "700"
    assert statements == [
        f"chmod {mode} {data.path}",
        f"chmod 600 {data.path / 'jwt.secret'}",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_one_that_is_not_ours_is_a_problem(data: DataDir) -> None:
    data.path.chmod(0o500)

    assert told(place(data.path)).startswith("problem: ")


def test_a_port_is_free_or_somebody_elses() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = Server(port=taken.getsockname()[1])
        during = listening(server)
    after = listening(server)

    assert (during.level, after.level) == ("problem", "ok")
    assert f"port {server.port} is in use" in during.text


def test_a_server_for_others_needs_the_names_that_they_use() -> None:
    assert told(exposed(Server(host="192.0.2.7"))).startswith("warning: ")
    assert told(exposed(Server(host="192.0.2.7", hosts=("chat.example.com",)))) == ""
    assert told(exposed(Server())) == ""


def test_engines_are_ours_or_elsewhere() -> None:
    own = told(engines(Settings(), running=False))
    others = told(
        engines(
            Settings(database=Database(url="postgres://db/x"), redis=Redis(url="redis://cache/0")),
            running=False,
        )
    )

    assert "ok: PostgreSQL: embedded, not running" in own
    assert "ok: PostgreSQL: elsewhere, by DATABASE_URL" in others
    assert "ok: Valkey: elsewhere, by REDIS_URL" in others
