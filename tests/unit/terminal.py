"""A chat in a terminal of its own."""

import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

LIMIT_S = 30


class Terminal:
    """A chat in a terminal of its own."""

    def __init__(self, url: str, data_dir: Path, *words: str) -> None:
        self._master, slave = pty.openpty()
        env = {**os.environ, "POLYAGENT_DATA_DIR": str(data_dir), "TERM": "dumb"}
        command = [sys.executable, "-m", "polyagent", "chat", "--url", url, "--token", "t", *words]
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  # a background shell has it ignored
        )
        os.close(slave)
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def see(self, text: str) -> None:
        """Read until `text` is on the screen; what stands before it is read, too."""
        while text not in self._seen:
            readable, _, _ = select.select([self._master], [], [], LIMIT_S)
            assert readable, f"{text!r} did not come after {self._seen!r}"
            self._seen += os.read(self._master, 4096).decode()
        self._seen = self._seen.partition(text)[2]

    def ended(self) -> int:
        return self.process.wait(LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
