"""The port that a server is to listen on, and who holds it."""

import errno
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from polyagent.settings import SettingsError

PROC = Path("/proc")
LISTENING = "0A"


def claimed(host: str, port: int, *, is_shared: bool) -> tuple[str, int]:
    """Return the numeric address and the port to listen on; port 0 becomes a free one.

    Raises `SettingsError` if the host is none of ours, or somebody listens there already: with
    SO_REUSEPORT, which the server uses, a second one would share the requests silently. `is_shared`
    means just that.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            # a port whose last server was killed is free: its old connections do not count
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if is_shared:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            probe.bind(address)
            found: tuple[str, int] = probe.getsockname()[:2]
            return found
    except OSError as error:
        raise SettingsError(_refusal(host, port, error)) from error


def _refusal(host: str, port: int, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"Cannot listen on {host} port {port}: {error.strerror or error}."
    pid = holder(port)
    by = f" by process {pid}" if pid else ""
    return f"Port {port} of {host} is in use{by}: stop that, or choose another with --port."


def holder(port: int) -> int | None:
    """Return the process that listens on a port, where the system tells."""
    sockets = {f"socket:[{inode}]" for inode in _listeners(port)}
    for descriptor in PROC.glob("[0-9]*/fd/*") if sockets else ():
        with suppress(OSError):
            if str(descriptor.readlink()) in sockets:
                return int(descriptor.parts[2])
    return None


def _listeners(port: int) -> Iterator[str]:
    """Yield inodes. https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html"""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]
