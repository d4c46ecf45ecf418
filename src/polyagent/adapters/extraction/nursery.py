"""A process that has the libraries in memory, and forks a child for each file: that takes a millisecond.

It reads no file itself. On its stdin come sockets, one for each child: https://man7.org/linux/man-pages/man7/unix.7.html
"""

import encodings
import gc
import os
import pkgutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module

from polyagent.adapters.extraction import child
from polyagent.adapters.extraction.formats.reading import READERS


def main() -> None:
    """Fork until the server is gone."""
    child.end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # terminals and systemd ask all; the server decides
    for name in (*READERS, *_encodings()):
        with suppress(ImportError):  # some are for other systems
            import_module(name)
    gc.freeze()
    with socket.socket(fileno=sys.stdin.fileno()) as control:
        for stream in _streams(control):
            if os.fork() == 0:
                _become_child(stream)
            os.close(stream)
    os._exit(0)


def _encodings() -> Iterator[str]:
    """A child cannot open their files any more when a document names them."""
    return (f"encodings.{found.name}" for found in pkgutil.iter_modules(encodings.__path__))


def _streams(control: socket.socket) -> Iterator[int]:
    while True:
        message, streams, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        yield from streams


def _become_child(stream: int) -> None:
    os.dup2(stream, sys.stdin.fileno())
    os.dup2(stream, sys.stdout.fileno())
    os.close(stream)
    try:
        child.main()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
