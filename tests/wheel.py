"""Use the installed wheel as a stranger would: standard library only, an empty home, no checkout.

It starts the server, reads what the docs page loads, migrates, and stops.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from importlib.resources import files
from pathlib import Path


def command(*words: str) -> list[str]:
    return [str(Path(sys.executable).with_name("polyagent")), *words]


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  # our own server
        body: bytes = answer.read()
        return body


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended"
        try:
            fetch(url)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"{url} did not answer")


def main() -> None:
    assert (files("polyagent") / "py.typed").is_file(), "type checkers will not look at it"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        environ = {**os.environ, "HOME": home, "POLYAGENT_DATA_DIR": f"{home}/data"}
        started = subprocess.Popen(command("up", "--port", str(port)), env=environ)
        try:
            wait_for(f"{url}/health/ready", started)
            page = fetch(f"{url}/docs").decode()
            parts = re.findall(r'(?:src|href)="(/[^"]+)"', page)
            assert parts, page
            for part in parts:
                assert fetch(url + part), part
            assert json.loads(fetch(f"{url}/openapi.json"))["openapi"].startswith("3.1")
            subprocess.run(command("migrate"), env=environ, check=True)
        finally:
            started.send_signal(signal.SIGTERM)
            code = started.wait(60)
    assert code == 0, code
    sys.stdout.write("the wheel serves, documents and migrates\n")


main()
