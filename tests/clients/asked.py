"""What the programs of the Python clients share. `python -m tests.clients` sets where they ask.

They run in environments that have the client and pytest, and nothing of ours.
"""

import json
import os
import secrets
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest

BASE_URL = os.environ["CLIENTS_BASE_URL"]
TOKEN = os.environ["CLIENTS_TOKEN"]
CONTROL_URL = os.environ["CLIENTS_CONTROL_URL"]

AGENT = "agent/general"
MODEL = "scripted"
each_model = pytest.mark.parametrize("model", [AGENT, MODEL])

CITY = 'say {"name":"Paris","people":2100000}'
TWO_CALLS = 'calls look {"place": "Paris"} ; look {"place": "Rome"}'
AMONG_OURS = f'{TWO_CALLS}\ncalls calculator {{"expression": "6*7"}}\nsay Done.'
"""The client's tools, then one that the agent has, then an answer."""

LOOK: Any = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look how the weather is",
        "parameters": {
            "type": "object",
            "properties": {"place": {"type": "string"}},
            "required": ["place"],
        },
    },
}
WEATHER = {"Paris": "rain", "Rome": "sun"}
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAA"
    "SUVORK5CYII="
)
TOO_LONG = (
    'refuse 400 {"error": {"message": "This model\'s maximum context length is 8192 tokens.", '
    '"code": "context_length_exceeded"}}'
)


def user(content: Any) -> Any:
    return {"role": "user", "content": content}


def looked(arguments: str) -> str:
    return WEATHER[json.loads(arguments)["place"]]


def named(script: str) -> tuple[str, str]:
    """Return a name, and the script with it: a message that nobody sent before, so that it can be counted."""
    name = secrets.token_hex(16)
    return name, f"{script} {name}"


def times_asked(message: str) -> int:
    return int(_seen("/calls").get(message, 0))


def release(name: str) -> None:
    _seen(f"/release/{name}", "POST")


def _seen(path: str, verb: str = "GET") -> Any:
    connection = HTTPConnection(urlsplit(CONTROL_URL).netloc, timeout=60)
    connection.request(verb, path)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer
