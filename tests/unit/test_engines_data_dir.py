import os
from pathlib import Path

import pytest

from polyagent.adapters.engines.control import down, reset
from polyagent.adapters.engines.datadir import SOCKET_PATH_BYTES, DataDir, is_private
from polyagent.adapters.engines.endpoints import Endpoints, join
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host.lock import Lock, pause

ENDPOINTS = Endpoints(
    server_url="http://127.0.0.1:8080",
    database_url="postgresql://polyagent:secret@/polyagent?host=/run/pg",
    redis_url=None,
    ai_url=None,
    ai_key=None,
    ai_model=None,
)


@pytest.fixture
def data(tmp_path: Path) -> DataDir:
    data = DataDir(tmp_path / "data")
    data.open()
    return data


def test_a_new_directory_is_closed_to_others(data: DataDir) -> None:
    mode = data.path.stat().st_mode & 0o777

    assert mode == (0o711 if os.geteuid() == 0 else 0o700)


def test_a_directory_of_a_newer_version_is_refused(data: DataDir) -> None:
    (data.path / "VERSION").write_text("2\n")

    with pytest.raises(EngineError, match=r"layout '2'.* knows 1"):
        data.open()


def test_a_directory_that_somebody_else_uses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()

    with pytest.raises(EngineError, match="has a directory model already"):
        DataDir(tmp_path).open()

    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    with pytest.raises(EngineError, match="not a data directory"):
        reset(tmp_path)


def test_settings_and_secrets_may_be_there_before_the_first_start(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("server: {port: 1}")
    (tmp_path / "jwt.secret").write_text("x" * 32)

    DataDir(tmp_path).open()

    assert DataDir(tmp_path).secret("jwt.secret") == "x" * 32


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EngineError, match=r"^cannot use .*file: file exists$"):
        DataDir(tmp_path / "file").open()


def test_a_secret_is_generated_once_for_its_owner_alone(data: DataDir) -> None:
    secret = data.secret("jwt.secret")

    assert len(secret) >= 32
    assert data.secret("jwt.secret") == secret
    assert (data.path / "jwt.secret").stat().st_mode & 0o777 == 0o600
    assert [path for path in data.path.iterdir() if path.name.startswith(".")] == []


def test_a_log_that_grew_large_is_set_aside(data: DataDir) -> None:
    log = data.log("postgres")
    with log.open("wb") as file:
        file.truncate(2**25)

    again = data.log("postgres")

    assert again == log
    assert not log.exists()
    assert log.with_suffix(".log.1").exists()


def test_sockets_are_in_the_engines_directory_if_their_path_fits(data: DataDir) -> None:
    assert data.sockets("pg") == data.path / "pg"


def test_a_long_path_gets_a_short_socket_directory_that_stays(tmp_path: Path) -> None:
    data = DataDir(tmp_path / ("long" * 30))
    data.open()

    sockets = data.sockets("pg")

    assert len(str(sockets / ".s.PGSQL.5432")) <= SOCKET_PATH_BYTES
    assert data.sockets("pg") == sockets
    assert is_private(sockets.parent)
    reset(data.path)
    assert not sockets.parent.exists()


def test_a_socket_directory_that_somebody_else_could_write_to_is_not_used(tmp_path: Path) -> None:
    data = DataDir(tmp_path / ("long" * 30))
    data.open()
    first = data.sockets("pg").parent
    first.chmod(0o777)

    second = data.sockets("pg").parent

    assert second != first
    first.rmdir()
    reset(data.path)


def test_reset_removes_what_is_ours_only(data: DataDir) -> None:
    data.secret("pg.password")
    (data.path / "pg").mkdir()
    (data.path / "documents").mkdir()
    (data.path / "documents" / "a file of somebody's").touch()
    (data.path / "config.yaml").touch()

    reset(data.path)

    assert [path.name for path in data.path.iterdir()] == ["config.yaml"]


def test_reset_refuses_a_directory_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir()

    with pytest.raises(EngineError, match="not a data directory"):
        reset(tmp_path)

    assert (tmp_path / "pg").exists()


def test_reset_refuses_while_somebody_holds_the_directory(data: DataDir) -> None:
    with Lock(data.lock) as lock:
        lock.acquire(pause=pause)

        with pytest.raises(EngineError, match=f"in use by process {os.getpid()}"):
            reset(data.path)


def test_down_says_that_nothing_runs(data: DataDir) -> None:
    assert down(data.path) is False


def test_joining_reads_the_endpoints_of_a_running_up(data: DataDir) -> None:
    with Lock(data.lock) as lock:
        lock.acquire(pause=pause)
        ENDPOINTS.write(data)

        joined = join(data.path)

    assert joined == ENDPOINTS
    assert data.endpoints.stat().st_mode & 0o777 == 0o600


def test_joining_nobody_says_what_to_do(data: DataDir) -> None:
    ENDPOINTS.write(data)  # of an `up` that was killed

    with pytest.raises(EngineError, match="no `polyagent up` runs on"):
        join(data.path, wait_s=0)
