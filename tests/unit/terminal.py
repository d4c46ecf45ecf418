"""A chat in a terminal of its own."""

import codecs
import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import Self

LIMIT_S = 60
AGAIN_S = 2
ENTER = "\r"
CTRL_C, CTRL_D, ALT_ENTER = "\x03", "\x04", "\x1b\r"


def _take_terminal() -> None:
    """Make stdin the terminal that rules this session, so that its Ctrl-C is a SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell has it ignored
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """`url` None: the server of the data directory."""

    def __init__(self, url: str | None, data_dir: Path, *words: str, term: str = "dumb") -> None:
        self._master, slave = pty.openpty()
        env = {**os.environ, "POLYAGENT_DATA_DIR": str(data_dir), "TERM": term, "COLUMNS": "80"}
        where = ("--url", url, "--token", "t") if url is not None else ()
        command = [sys.executable, "-m", "polyagent", "chat", *where, *words]
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - the tests fork from their main thread
        )
        os.close(slave)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def see(self, text: str) -> str:
        """Read until `text` is on the screen; return what stood before it."""
        while text not in self._seen:
            readable, _, _ = select.select([self._master], [], [], LIMIT_S)
            assert readable, f"{text!r} did not come after {self._seen!r}"
            self._seen += self._decode(os.read(self._master, 4096))
        before, _, self._seen = self._seen.partition(text)
        return before

    def interrupt(self) -> None:
        """Press Ctrl-C as a person does, again while nothing comes of it, till the prompt or the end.

        A signal in the moment before readline waits for a key is noticed at the next key only.
        """
        for _ in range(LIMIT_S // AGAIN_S):
            self.type(CTRL_C)
            readable, _, _ = select.select([self._master], [], [], AGAIN_S)
            if readable or self.process.poll() is not None:
                return
        raise AssertionError("Ctrl-C did nothing")

    def asks(self, text: str) -> None:
        """Wait for the prompt and type one entry."""
        self.see("> ")
        self.type(f"{text}{ENTER}")

    def ended(self) -> int:
        return self.process.wait(LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
