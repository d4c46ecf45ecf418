# /// script
# dependencies = ["httpx"]
# ///
"""Start a run and read it as server-sent events; after each break go on behind the last one."""

import json
import os
import sys
import time
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

import httpx

URL = os.environ.get("POLYAGENT_URL", "http://localhost:8080")
QUESTION = " ".join(sys.argv[1:]) or "Tell me about Paris in one sentence."
ENDS = ("run.completed", "run.failed", "run.cancelled")


def start(client: httpx.Client) -> str:
    ask = {"message": QUESTION}
    answer = client.post("/api/v1/runs", json=ask, headers={"Idempotency-Key": token_hex(16)})
    return str(answer.raise_for_status().json()["id"])


def events(client: httpx.Client, run_id: str) -> Iterator[dict[str, Any]]:
    """Each event once and in order, whatever happens to the connection and to the server."""
    last = 0
    while True:
        try:
            for event in connection(client, run_id, last):
                last = event["id"]
                yield event
                if event["type"] in ENDS:
                    return
        except httpx.TransportError as error:
            print(f"\n[{error!r}: again, after {last}]", file=sys.stderr)
        time.sleep(1)


def connection(client: httpx.Client, run_id: str, after: int) -> Iterator[dict[str, Any]]:
    path, headers = f"/api/v1/runs/{run_id}/events", {"Last-Event-ID": str(after)}
    with client.stream("GET", path, headers=headers) as response:
        if response.status_code not in (429, 503):  # which pass
            response.raise_for_status()
            data = (line[6:] for line in response.iter_lines() if line.startswith("data: "))
            yield from map(json.loads, data)


headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
with httpx.Client(base_url=URL, headers=headers, timeout=60) as client:
    for event in events(client, start(client)):
        match event["type"]:
            case "message.delta":
                print(event["text"], end="", flush=True)
            case "run.resumed":
                print("\n[another process goes on; what came of this step is void]")
            case "run.failed":
                sys.exit(f"{event['code']}: {event['detail']}")
    print()
