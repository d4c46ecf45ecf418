# /// script
# dependencies = ["httpx"]
# ///
"""Ask, and ask again in the same session: each answer as one JSON object."""

import os
import sys
from secrets import token_hex
from typing import Any

import httpx

URL = os.environ.get("POLYAGENT_URL", "http://localhost:8080")
QUESTIONS = sys.argv[1:] or ["What is the capital of France?", "And of Italy?"]


def ask(client: httpx.Client, **body: Any) -> dict[str, Any]:
    """A repeated request with the same key is answered by the same run."""
    answer = client.post("/api/v1/chat", json=body, headers={"Idempotency-Key": token_hex(16)})
    told: dict[str, Any] = answer.json()
    if answer.is_error:
        sys.exit(f"{told['code']}: {told['detail']}")
    return told


headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
with httpx.Client(base_url=URL, headers=headers, timeout=310) as client:
    session_id = None
    for question in QUESTIONS:
        answer = ask(client, message=question, session_id=session_id)
        session_id = answer["session_id"]
        if answer["status"] != "completed":
            sys.exit(f"The run {answer['run_id']} is {answer['status']}: {answer['error']}")
        print(answer["message"]["content"])
