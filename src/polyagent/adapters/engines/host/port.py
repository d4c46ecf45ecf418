"""The port that the server shall listen on."""

import errno
import socket
import time
from pathlib import Path

from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.host.lock import pause

ANSWER_BYTES = 65_536
LISTEN = "0A"


def require_free(host: str, port: int, *, wait_s: float) -> None:
    """Raise `EngineError` naming what is wrong if nobody can listen there, also after `wait_s`."""
    until = time.monotonic() + wait_s
    while (error := _probe(host, port)) is not None:
        if error.errno != errno.EADDRINUSE:
            raise EngineError(f"cannot listen on {host} port {port}: {error.strerror}")
        if time.monotonic() >= until:
            pid = listener(port)
            by = f" by process {pid}" if pid else ""
            raise EngineError(f"port {port} is in use{by}: stop it, or choose another --port")
        pause()


def _probe(host: str, port: int) -> OSError | None:
    """Bind and let go. SO_REUSEADDR passes over what a killed server left; without SO_REUSEPORT a living one is seen."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def listener(port: int) -> int | None:
    """Return a process that listens on the TCP port, where /proc tells and we may see it."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir()):
                return int(process.name)
        except OSError:
            continue  # another user's, or it ended just now
    return None


def _listening(port: int) -> set[str]:
    """https://docs.kernel.org/networking/proc_net_tcp.html"""
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            rows = [line.split() for line in table.read_text().splitlines()[1:]]
            found |= {
                row[9]
                for row in rows
                if row[3] == LISTEN and int(row[1].rsplit(":", 1)[1], 16) == port
            }
    return found


def reachable_host(host: str) -> str:
    """Return an address of this machine at which a server that listens on `host` answers."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104  compared, not bound


def url(host: str, port: int) -> str:
    name = reachable_host(host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


def is_ready(host: str, port: int, path: str) -> bool:
    """Say whether a GET answers 200 within two seconds."""
    return answer(host, port, path).startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))


def answer(host: str, port: int, path: str, *, token: str | None = None) -> bytes:
    """Return what a GET answers, head and body; nothing if it fails or pauses for two seconds.

    By hand: `http.client` would bring ssl along.
    """
    asker = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {reachable_host(host)}:{port}\r\n{asker}"
        "Connection: close\r\n\r\n"
    )
    try:
        with socket.create_connection((reachable_host(host), port), timeout=2) as server:
            server.sendall(head.encode())
            # whole: else the server sees a reset
            return server.makefile("rb").read(ANSWER_BYTES)
    except OSError:
        return b""
