# /// script
# dependencies = ["httpx"]
# ///
"""Upload a file, wait until it is indexed, ask about it, and print what the answer cites."""

import os
import sys
import time
from pathlib import Path
from secrets import token_hex
from typing import Any

import httpx

URL = os.environ.get("POLYAGENT_URL", "http://localhost:8080")
FILE = Path(os.environ.get("FILE", Path(__file__).with_name("lease.md")))
QUESTION = " ".join(sys.argv[1:]) or "How long is the notice period?"
LOOK_S = 0.3


def told(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        sys.exit(f"{body['code']}: {body['detail']}")
    return body


def indexed(client: httpx.Client, file: Path) -> dict[str, Any]:
    """The same file again is the same document."""
    with file.open("rb") as content:
        document = told(client.post("/api/v1/documents/upload", files={"file": content}))
    while document["status"] not in ("indexed", "failed"):
        time.sleep(LOOK_S)
        document = told(client.get(f"/api/v1/documents/{document['id']}"))
    if document["error"]:
        sys.exit(f"{document['error']['code']}: {document['error']['detail']}")
    return document


def cited(citation: dict[str, Any]) -> str:
    page = f", page {citation['page']}" if citation["page"] else ""
    verdict = "verified" if citation["verified"] else "NOT VERIFIED"
    return f'{citation["filename"]}{page}: "{citation["quote"]}" ({verdict})'


headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
with httpx.Client(base_url=URL, headers=headers, timeout=310) as client:
    document = indexed(client, FILE)
    ask = {"message": QUESTION, "document_ids": [document["id"]]}
    key = {"Idempotency-Key": token_hex(16)}
    answer = told(client.post("/api/v1/chat", json=ask, headers=key))
    if answer["status"] != "completed":
        sys.exit(f"The run {answer['run_id']} is {answer['status']}: {answer['error']}")
    print(answer["message"]["content"])
    for number, citation in enumerate(answer["message"]["citations"], start=1):
        print(f"[{number}] {cited(citation)}")
