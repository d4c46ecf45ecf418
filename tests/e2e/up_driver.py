"""`up` with stand-ins for what it starts beside the engines; it tells what it shows as lines of JSON.

python -m tests.e2e.up_driver DATA_DIR PORT [--model]
"""

import os
import sys
from pathlib import Path

import msgspec

from polyagent.adapters.engines.plan import Plan
from polyagent.adapters.engines.supervisor import up
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.startup import Started

PREPARE = """
import json
print(json.dumps({"username": "admin", "created": True}))
"""

# Both write down that they were told to end, and whether the engines were still there.
LIVES_UNTIL_TOLD = """
import http.server, os, pathlib, signal, sys
data = pathlib.Path(os.environ["POLYAGENT_DATA_DIR"])
def end(*_):
    engines = "with" if (data / "endpoints.json").exists() else "without"
    with (data / "ends").open("a") as file:
        file.write(f"{sys.argv[1]} {engines} engines\\n")
    os._exit(0)
signal.signal(signal.SIGTERM, end)
(data / "logs" / f"{sys.argv[1]} listens").touch()
"""
GATEWAY = f"""{LIVES_UNTIL_TOLD}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
"""
WORKER = f"""{LIVES_UNTIL_TOLD}
while True:
    signal.pause()
"""


class Teller:
    def step(self, text: str) -> None:
        self._tell("step", text)

    def warn(self, text: str) -> None:
        self._tell("warn", text)

    def stopping(self, text: str) -> None:
        self._tell("stopping", text)

    def confirm(self, question: str) -> bool:
        self._tell("confirm", question)
        return True

    def ready(self, started: Started) -> None:
        self._tell("ready", started)

    def failed(self, text: str) -> None:
        self._tell("failed", text)

    def _tell(self, kind: str, what: object) -> None:
        sys.stdout.buffer.write(msgspec.json.encode([kind, what]) + b"\n")
        sys.stdout.flush()


def main(data_dir: str, port: str, *flags: str) -> int:
    python = (sys.executable, "-c")
    plan = Plan(
        data_dir=Path(data_dir),
        host="127.0.0.1",
        port=int(port),
        postgres=True,
        valkey=True,
        model="--model" in flags,
        model_file=None,
        model_elsewhere=None,
        prepare=(*python, PREPARE),
        gateway=(*python, GATEWAY, "gateway", port),
        worker=(*python, WORKER, "worker"),
        environment=dict(os.environ),
    )
    teller = Teller()
    try:
        return up(plan, teller)
    except PolyAgentError as error:
        teller.failed(error.detail)
        return 3


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
