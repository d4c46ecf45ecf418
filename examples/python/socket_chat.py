# /// script
# dependencies = ["websockets"]
# ///
"""Chat over a WebSocket; after each break watch the run behind its last event.

A break before the first event sends the question again. Where it must be asked once, start the run with
`POST /api/v1/runs` and an `Idempotency-Key`, as stream.py does, and begin with `watch`.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

URL = os.environ.get("POLYAGENT_URL", "http://localhost:8080").replace("http", "ws", 1)
HEADERS = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
QUESTION = " ".join(sys.argv[1:]) or "Tell me about Paris in one sentence."
ENDS = ("run.completed", "run.failed", "run.cancelled")


def frames(frame: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Say one thing, and yield what is heard until the connection breaks."""
    try:
        with connect(f"{URL}/ws", additional_headers=HEADERS) as socket:
            socket.send(json.dumps(frame))
            yield from map(json.loads, socket)
    except InvalidStatus as error:
        if error.response.status_code not in (429, 503):  # which pass
            raise
    except ConnectionClosed as error:
        if error.rcvd and error.rcvd.code in (4401, 4403):
            sys.exit(f"{error.rcvd.code} {error.rcvd.reason}")
        print(f"\n[{error}: again]", file=sys.stderr)
    except OSError as error:
        print(f"\n[{error}: again]", file=sys.stderr)


def events(question: str) -> Iterator[dict[str, Any]]:
    """Each event of the answer once and in order."""
    ask = {"type": "chat", "id": token_hex(16), "message": question}
    while True:
        for frame in frames(ask):
            if frame["type"] == "error":
                sys.exit(f"{frame['code']}: {frame['detail']}")
            if "run_id" in frame:
                ask = {"type": "watch", "run_id": frame["run_id"], "after": frame["id"]}
                yield frame
            if frame["type"] in ENDS:
                return
        time.sleep(1)


for event in events(QUESTION):
    match event["type"]:
        case "message.delta":
            print(event["text"], end="", flush=True)
        case "run.resumed":
            print("\n[another process goes on; what came of this step is void]")
        case "run.failed":
            sys.exit(f"{event['code']}: {event['detail']}")
print()
