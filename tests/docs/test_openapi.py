"""docs/openapi.json is what the server gives, and what breaks its clients is found."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.docs.breakage import breakages
from tests.docs.openapi import is_stale, served

DOCUMENT = served()

Change = Callable[[dict[str, Any]], object]


def test_the_file_is_what_the_server_gives() -> None:
    assert not is_stale(), "run `python -m tests.docs.openapi`"


def test_a_document_breaks_no_clients_of_its_own() -> None:
    assert breakages(DOCUMENT, DOCUMENT) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda doc: doc["paths"].pop("/api/v1/tickets"), "POST /api/v1/tickets is gone"),
        (lambda doc: _fields(doc, "Run").pop("step"), "GET /api/v1/runs/{run_id} 200.step is gone"),
        (
            lambda doc: _schema(doc, "Run")["required"].remove("step"),
            "GET /api/v1/runs/{run_id} 200.step may be absent now",
        ),
        (
            lambda doc: _schema(doc, "NewAgent")["required"].append("model"),
            "POST /api/v1/agents body.model is needed now",
        ),
        (
            lambda doc: _fields(doc, "Ask")["policy"]["enum"].remove("reject"),
            "POST /api/v1/chat body.policy is no more any of reject",
        ),
        (
            lambda doc: _fields(doc, "Ask")["end_user"].update(maxLength=20),
            "POST /api/v1/chat body.end_user has maxLength 20 now",
        ),
        (
            lambda doc: _fields(doc, "Ask")["end_user"].update(type="string"),
            "POST /api/v1/chat body.end_user takes no null now",
        ),
        (
            lambda doc: _fields(doc, "Usage")["cost"].update(type=["number", "string", "null"]),
            "GET /api/v1/runs/{run_id} 200.usage.cost may be string now",
        ),
        (
            lambda doc: _of(doc, "/api/v1/runs", "get")["parameters"].pop(0),
            "GET /api/v1/runs takes no limit any more",
        ),
        (
            lambda doc: _of(doc, "/api/v1/runs", "get")["parameters"][0].update(required=True),
            "GET /api/v1/runs needs limit now",
        ),
        (
            lambda doc: _of(doc, "/api/v1/chat", "post")["responses"].pop("202"),
            "POST /api/v1/chat answers 202 no more",
        ),
        (
            lambda doc: _schema(doc, "Event")["oneOf"].pop(0),
            "GET /api/v1/runs/{run_id}/events 200.items[] is no more #/components/schemas/RunQueued",
        ),
    ],
)
def test_what_breaks_clients_is_told(change: Change, told: str) -> None:
    after = copy.deepcopy(DOCUMENT)

    change(after)

    assert told in breakages(DOCUMENT, after)


@pytest.mark.parametrize(
    "change",
    [
        lambda doc: doc["paths"].update({"/api/v1/new": {"get": {}}}),
        lambda doc: _fields(doc, "Run").update(mood={"type": "string"}),
        lambda doc: _fields(doc, "Ask").update(mood={"type": "string"}),
        lambda doc: _fields(doc, "Ask")["end_user"].update(maxLength=400),
        lambda doc: _fields(doc, "Run")["status"]["enum"].append("asleep"),
        lambda doc: _fields(doc, "NewAgent")["visibility"]["enum"].append("public"),
        lambda doc: _schema(doc, "Event")["oneOf"].append({"$ref": "#/components/schemas/Run"}),
    ],
)
def test_what_the_contract_allows_breaks_nobody(change: Change) -> None:
    after = copy.deepcopy(DOCUMENT)

    change(after)

    assert breakages(DOCUMENT, after) == []


def _schema(doc: dict[str, Any], name: str) -> Any:
    return doc["components"]["schemas"][name]


def _fields(doc: dict[str, Any], name: str) -> Any:
    return _schema(doc, name)["properties"]


def _of(doc: dict[str, Any], path: str, method: str) -> Any:
    return doc["paths"][path][method]
