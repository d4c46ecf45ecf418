"""Run clients that others wrote against a server of our own, each in an environment of its own.

python -m tests.clients [--client NAME]...
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.drill import model_service
from tests.clients.environments import CLIENTS, Client, Outcome
from tests.e2e.server import Up


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument(
        "--client", action="append", choices=CLIENTS, help="may be given again; all unless given"
    )
    names = parser.parse_args().client or [*CLIENTS]
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its processes must end, too
    outcomes = _outcomes([CLIENTS[name] for name in names])
    _say("\n| client | version | cases | passed |\n|---|---|---|---|")
    for outcome in outcomes:
        _say(f"| {outcome.client} | {outcome.version} | {outcome.cases} | {outcome.passed} |")
    return 0 if all(0 < outcome.cases == outcome.passed for outcome in outcomes) else 1


def _outcomes(clients: list[Client]) -> list[Outcome]:
    absent = {client for client in clients if not shutil.which(client.runtime)}
    for client in absent:
        _say(f"skipped: {client.package} needs {client.runtime}, which is not on this machine")
    with model_service() as model_url, Up(model_url) as up:
        environ = {
            "CLIENTS_BASE_URL": f"{up.url}/v1",
            "CLIENTS_TOKEN": up.token(),
            "CLIENTS_CONTROL_URL": model_url.removesuffix("/v1"),
        }
        return [_outcome(client, environ) for client in clients if client not in absent]


def _outcome(client: Client, environ: dict[str, str]) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="polyagent-client-") as place:
        return client.run(Path(place), environ)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
