"""Run the clients that others wrote against a server of our own, each in an environment of its own.

python -m tests.clients [CLIENT...]
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.clients.environments import CLIENTS, Client, Outcome
from tests.e2e.server import Up


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("clients", nargs="*", choices=[[], *CLIENTS], metavar="CLIENT")
    asked = parser.parse_args().clients or [*CLIENTS]
    with _model_service() as model_url, Up(model_url) as up:
        told = {"BASE_URL": f"{up.url}/v1", "CONTROL_URL": model_url.removesuffix("/v1")}
        told = {f"CLIENTS_{name}": value for name, value in (told | {"TOKEN": up.token()}).items()}
        outcomes = [_outcome(CLIENTS[name], told) for name in asked]
    _say("\n| client | version | cases | passed |\n|---|---|---|---|")
    for outcome in filter(None, outcomes):
        _say(outcome.row)
    return 0 if all(outcome is None or outcome.is_good for outcome in outcomes) else 1


@contextmanager
def _model_service() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.model_service", "--strict"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def _outcome(client: Client, told: dict[str, str]) -> Outcome | None:
    if not shutil.which(client.needs):
        _say(f"skipped: {client.package} needs {client.needs}, which is not here")
        return None
    with tempfile.TemporaryDirectory(prefix="polyagent-client-") as place:
        return client.run(Path(place), told)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
