"""The AsyncAPI document as a client reads it, and a check of frames against it."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

from polyagent.adapters.http.asyncapi.document import asyncapi

OFFICIAL = Path(__file__).parents[1] / "asyncapi" / "schema-3.0.0.json"


@cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(asyncapi())
    return found


def misfits(kind: str, frame: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a frame that claims to be a message of this name."""
    return [error.message for error in _validator(kind).iter_errors(dict(frame))]


@cache
def _validator(kind: str) -> jsonschema_rs.Draft7Validator:
    components = document()["components"]
    payload = components["messages"][kind]["payload"]
    return jsonschema_rs.Draft7Validator({**payload, "components": components})


def fields(kind: str) -> set[str]:
    components = document()["components"]
    name = components["messages"][kind]["payload"]["$ref"].rpartition("/")[2]
    return set(components["schemas"][name]["properties"])


def check(frame: Any) -> None:
    """Fail where the server says what the document does not know."""
    kind = frame["type"]

    assert misfits(kind, frame) == [], frame
    assert set(frame) <= fields(kind), frame
