"""Model servers that people already run on this machine, on their usual ports."""

import http.client
import json
from collections.abc import Iterable
from contextlib import suppress

import msgspec

USUAL = (("Ollama", 11434), ("LM Studio", 1234), ("vLLM", 8000), ("llama.cpp", 8080))
TIMEOUT_S = 0.5
LIST_BYTES = 262_144


class Neighbour(msgspec.Struct, frozen=True):
    """`url` is a base address of the OpenAI protocol; `model` the first that it lists."""

    name: str
    url: str
    model: str


def neighbour(usual: Iterable[tuple[str, int]] = USUAL) -> Neighbour | None:
    """Return the first model server that answers on 127.0.0.1 and lists a model."""
    for name, port in usual:
        if model := _first_model(port):
            return Neighbour(name, f"http://127.0.0.1:{port}/v1", model)
    return None


def _first_model(port: int) -> str | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    with suppress(OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        connection.request("GET", "/v1/models")
        answer = connection.getresponse()
        if answer.status == http.client.OK:
            return str(json.loads(answer.read(LIST_BYTES))["data"][0]["id"])
    connection.close()
    return None
