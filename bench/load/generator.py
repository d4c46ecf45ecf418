"""Running the load generator beside what it loads."""

import subprocess
import sys

import msgspec

from bench import machine
from bench.load.job import Job, Result


def load(job: Job, cores: machine.Cores) -> Result:
    """Run the job to its end. Raises `RuntimeError` if the generator fails."""
    with machine.on(cores):
        done = subprocess.run(
            [sys.executable, "-m", "bench.load"],
            input=msgspec.json.encode(job),
            capture_output=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return msgspec.json.decode(done.stdout, type=Result)


def request(method: str, path: str, body: bytes = b"", **headers: str) -> str:
    """Return a whole HTTP request; `_` in the names of headers stands for `-`."""
    given = {"Host": "127.0.0.1", "Content-Type": "application/json", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in given.items()]
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, f"Content-Length: {len(body)}"])
    return f"{head}\r\n\r\n{body.decode()}"
