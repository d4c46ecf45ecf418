import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host import port
from polyagent.adapters.engines.host.account import Account, engine_account
from polyagent.adapters.engines.host.machine import (
    available_bytes,
    memory_bytes,
    missing_instructions,
)
from polyagent.adapters.engines.process.kept import Kept
from polyagent.adapters.engines.process.launch import complaint, ended_how

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes owners")


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_in_use_is_refused_even_if_its_holder_would_share_it(listening: int) -> None:
    with pytest.raises(EngineError, match=f"port {listening} is in use by process {os.getpid()}"):
        port.require_free("127.0.0.1", listening, wait_s=0)


def test_a_host_that_is_not_ours_is_one_line() -> None:
    with pytest.raises(EngineError, match=r"cannot listen on 203\.0\.113\.1 port 8080"):
        port.require_free("203.0.113.1", 8080, wait_s=0)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104  nobody binds it
        ("::", "http://[::1]:80"),
        ("example.org", "http://example.org:80"),
    ],
)
def test_a_url_is_one_that_a_person_can_open(host: str, url: str) -> None:
    assert port.url(host, 80) == url


def test_a_server_that_is_away_is_not_ready() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))

        assert not port.is_ready("127.0.0.1", closed.getsockname()[1], "/health/ready")


def test_memory_is_what_the_machine_has_at_most() -> None:
    assert 0 < available_bytes() <= memory_bytes()


def test_an_instruction_that_no_processor_has_is_missing() -> None:
    missing = missing_instructions(frozenset({"made-up"}))

    assert missing <= {"made-up"}


def test_who_runs_the_engines_is_never_root() -> None:
    assert engine_account().uid != 0


@needs_root
def test_binaries_out_of_reach_are_copied_once_per_version(tmp_path: Path) -> None:
    hidden, store = tmp_path / "hidden", tmp_path / "store"
    hidden.mkdir(mode=0o700)
    (hidden / "tool").write_text("one")
    (hidden / "tool").chmod(0o700)
    nobody = engine_account()

    first = nobody.bring(hidden, "tool", "absent", witness="tool", store=store)
    again = nobody.bring(hidden, "tool", "absent", witness="tool", store=store)
    os.utime(hidden / "tool", ns=(1, 1))
    newer = nobody.bring(hidden, "tool", "absent", witness="tool", store=store)

    assert first == again != newer
    assert (newer / "tool").stat().st_mode & 0o777 == 0o755
    assert list(store.iterdir()) == [newer]


def test_binaries_within_reach_stay_where_they_are(tmp_path: Path) -> None:
    me = Account("me", os.getuid(), os.getgid())
    (tmp_path / "tool").touch()

    assert (
        me.bring(tmp_path, "tool", witness="tool", store=tmp_path / "store") == tmp_path.resolve()
    )


@needs_root
def test_a_directory_of_another_owner_changes_hands(tmp_path: Path) -> None:
    directory = tmp_path / "pg"
    directory.mkdir()
    (directory / "file").touch()
    nobody = engine_account()

    nobody.own(directory)

    assert {path.stat().st_uid for path in (directory, directory / "file")} == {nobody.uid}


@needs_root
def test_the_topmost_closed_directory_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    os.chown(closed, 0, 0)

    barred = engine_account().barred_from(closed)

    assert barred is not None
    assert closed.is_relative_to(barred)


def test_what_ends_is_started_again_after_a_pause() -> None:
    kept = Kept(lambda: subprocess.Popen([sys.executable, "-I", "-S", "-c", "raise SystemExit(7)"]))
    kept.start()
    first = kept.process
    assert first

    first.wait()

    assert kept.tend() == 7
    assert kept.tend() is None
    while kept.process is first:
        kept.tend()
    assert kept.process
    kept.process.wait()


@pytest.mark.parametrize(
    ("log", "last"),
    [
        ("2026 [1] LOG:  starting\n2026 [1] FATAL:  no space left\n2026 LOG: bye", "no space left"),
        ("initdb: error: could not create directory", "could not create directory"),
        ("all is well", None),
    ],
)
def test_the_last_error_of_a_log_is_told(log: str, last: str | None) -> None:
    assert complaint(log) == last


def test_how_a_process_ended_is_said_in_words() -> None:
    assert ended_how(-9) == "it ended by SIGKILL"
    assert ended_how(2) == "it ended with code 2"
