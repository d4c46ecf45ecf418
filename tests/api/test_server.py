"""Real processes on real sockets: how they listen, stop and die."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from polyagent.adapters.http.process.port import claimed, holder
from polyagent.settings import SettingsError
from tests.e2e.server import eventually, free_port

LIMIT_S = 60


class Served:
    """A server; its workers' tokens by their pids, as they become ready."""

    def __init__(self, port: int, workers: int, host: str, words: tuple[str, ...]) -> None:
        self.port = port
        self._host = host
        self._ready_dir = tempfile.TemporaryDirectory(prefix="polyagent-served-")
        argv = [sys.executable, "-m", "tests.api.served", host, str(port), str(workers), *words]
        environ = {**os.environ, "READY_DIR": self._ready_dir.name}
        self.process = subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL)
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=LIMIT_S, trust_env=False
        )

    def workers(self) -> dict[int, str]:
        files = Path(self._ready_dir.name).iterdir()
        return {int(file.name): file.read_text() for file in files if not file.suffix}

    def is_ready(self, workers: int) -> None:
        eventually("its workers are ready", lambda: len(self.workers()) == workers, LIMIT_S)
        eventually("it listens", self._listens, LIMIT_S)
        self.token = next(iter(self.workers().values()))
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection((self._host, self.port)):
            return True
        return False

    def has_ended(self) -> None:
        eventually("no worker is left", lambda: not any(map(_lives, self.workers())))

    def close(self) -> None:
        self.http.close()
        self.process.kill()
        self.process.wait(LIMIT_S)
        self.has_ended()
        self._ready_dir.cleanup()


@contextmanager
def served(
    workers: int = 1, *words: str, port: int = 0, host: str = "127.0.0.1"
) -> Iterator[Served]:
    server = Served(port or free_port(), workers, host, words)
    try:
        server.is_ready(workers)
        yield server
    finally:
        server.close()


def _lives(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_a_killed_main_process_leaves_no_worker() -> None:
    with served(workers=2) as server:
        server.process.kill()

        server.has_ended()


def test_a_killed_worker_is_replaced() -> None:
    with served() as server:
        os.kill(next(iter(server.workers())), signal.SIGKILL)

        eventually("there is another worker", lambda: len(server.workers()) == 2)
        eventually("a worker answers", lambda: answers(server))


def answers(server: Served) -> bool:
    """The worker that was killed may have been the only one that listened yet."""
    try:
        return server.http.get("/health/live").status_code == 200
    except httpx.TransportError:
        return False


def test_streams_end_by_themselves_before_a_stop() -> None:
    with served() as server:
        body = {"message": "hi"}
        with server.http.stream("POST", "/api/v1/chat/stream", json=body) as stream:
            heard = stream.iter_lines()
            assert next(heard).startswith("id: ")

            server.process.send_signal(signal.SIGTERM)

            rest = [line for line in heard if line]
        assert rest[-1] == "retry: 1000"
        assert server.process.wait(LIMIT_S) == 0


def test_sockets_are_asked_back_before_a_stop() -> None:
    with served() as server:
        headers = {"Authorization": f"Bearer {server.token}"}
        address = f"ws://127.0.0.1:{server.port}/ws"
        with (
            connect(address, additional_headers=headers, proxy=None) as talk,
            connect(address, proxy=None) as silent,
        ):
            talk.send('{"type":"chat","message":"hi"}')
            assert "run.started" in str(talk.recv(LIMIT_S))

            server.process.send_signal(signal.SIGTERM)

            for socket_ in (talk, silent):
                with pytest.raises(ConnectionClosed):
                    socket_.recv(LIMIT_S)
                assert socket_.close_code == 1012
        assert server.process.wait(LIMIT_S) == 0


def test_a_port_in_use_is_refused_and_its_holder_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(SettingsError) as refusal:
            claimed("127.0.0.1", port, is_shared=False)

    assert str(port) in refusal.value.detail
    if sys.platform == "linux":
        assert str(os.getpid()) in refusal.value.detail


def test_a_port_of_closed_connections_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # ours closes first: its end of the connection lingers

    assert claimed("127.0.0.1", port, is_shared=False) == ("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match=host):
        claimed(host, 0, is_shared=False)


def test_nobody_holds_a_free_port() -> None:
    assert holder(free_port()) is None


def test_a_second_server_starts_beside_the_first_only_when_told_to() -> None:
    with served(1, "--reuse-port") as first:
        argv = [sys.executable, "-m", "tests.api.served", "127.0.0.1", str(first.port), "1"]
        refused = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=False)

        with served(1, "--reuse-port", port=first.port) as second:
            first.process.send_signal(signal.SIGTERM)
            assert first.process.wait(LIMIT_S) == 0
            assert second.http.get("/health/live").status_code == 200

    assert refused.returncode != 0
    assert f"process {first.process.pid}" in refused.stderr or str(first.port) in refused.stderr


def test_a_body_of_40_megabytes_is_answered() -> None:
    with served() as server:
        answer = server.http.post("/api/v1/chat", content=b" " * 40_000_000)
        chunked = server.http.post("/api/v1/agents", content=(b" " * 1_000_000 for _ in range(40)))

        assert [answer.status_code, chunked.status_code] == [413, 413]
        assert answer.json()["code"] == "too_large"
        assert server.http.get("/health/live").status_code == 200


def test_a_body_that_stops_coming_is_given_up() -> None:
    with (
        served() as server,
        socket.create_connection(("127.0.0.1", server.port), LIMIT_S) as client,
    ):
        client.sendall(
            b"POST /api/v1/agents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n"
            b"Content-Type: application/json\r\nAuthorization: Bearer %b\r\n\r\n{"
            % server.token.encode()
        )

        assert client.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_a_silent_connection_is_closed() -> None:
    with (
        served() as server,
        socket.create_connection(("127.0.0.1", server.port), LIMIT_S) as client,
    ):
        client.sendall(b"GET /health HTTP/1.1\r\nHost: local")

        received = client.recv(65_536)

        assert b" 200 " not in received


def test_bytes_that_are_no_utf8_in_an_address_are_no_defect() -> None:
    with (
        served() as server,
        socket.create_connection(("127.0.0.1", server.port), LIMIT_S) as client,
    ):
        for path in (b"/%ff%fe", b"/api/v1/tools/%ed%a0%80", b"/api/v1/agents?cursor=%ff", b"/%00"):
            client.sendall(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % path)
            status = client.recv(65_536).split(b" ")[1]

            assert status in (b"400", b"401", b"404"), path


@pytest.mark.parametrize("host", ["localhost", "::1"])
def test_hosts_may_be_named(host: str) -> None:
    with served(host=host) as server:
        address = "127.0.0.1" if host == "localhost" else "[::1]"
        answer = httpx.get(f"http://{address}:{server.port}/health/live", trust_env=False)

        assert answer.status_code == 200
