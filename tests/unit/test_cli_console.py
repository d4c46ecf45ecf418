import os
import pty
import re
import subprocess
import sys

PROGRAM = """
from polyagent.adapters.cli.console import TerminalConsole
console = TerminalConsole()
console.step("Starting [PostgreSQL] 18")
console.step("Starting Valkey 9")
console.stopping("Stopping")
"""


def test_into_a_pipe_goes_a_line_a_step() -> None:
    seen = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    assert seen.stdout == "Starting [PostgreSQL] 18\nStarting Valkey 9\nStopping\n"


def test_on_a_terminal_each_step_stays_with_the_time_it_took() -> None:
    master, slave = pty.openpty()
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=slave):
        os.close(slave)
        screen = b""
        while chunk := _read(master):
            screen += chunk
    os.close(master)

    text = screen.decode()
    assert re.search(r"Starting \[PostgreSQL\] 18 \(\d+\.\d s\)", text)
    assert re.search(r"Starting Valkey 9 \(\d+\.\d s\)", text)
    assert text.endswith("Stopping\r\n")


def _read(master: int) -> bytes:
    try:
        return os.read(master, 4096)
    except OSError:  # Linux says EIO at the end of a terminal
        return b""
