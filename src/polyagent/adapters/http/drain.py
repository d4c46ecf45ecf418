"""The end of a serving process: streams and waiting chats end by themselves before it is stopped."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGUSR1, signal.SIGINT)


class Drain:
    """One per process."""

    def __init__(self) -> None:
        self.has_begun = False
        self._listeners: set[Callable[[], None]] = set()

    @contextmanager
    def signalled(self) -> Iterator[None]:
        """Begin at SIGUSR1, which our parent sends.

        At SIGINT too: Ctrl-C reaches the whole group, and the parent says when it is time to end.
        """
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.begin)
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)

    def begin(self) -> None:
        self.has_begun = True
        for listener in tuple(self._listeners):
            listener()

    @contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call `listener` when the drain begins; at once if it has."""
        self._listeners.add(listener)
        try:
            if self.has_begun:
                listener()
            yield
        finally:
            self._listeners.discard(listener)
