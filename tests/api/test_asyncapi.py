import re

import jsonschema_rs
import msgspec
import pytest

from polyagent.adapters.http.asyncapi.document import CHANNELS, CLOSING, asyncapi
from polyagent.adapters.http.asyncapi.messages import CLIENT, REPLIES, tags
from polyagent.adapters.http.openapi.components import EVENTS
from polyagent.adapters.http.socket import frames
from polyagent.adapters.http.socket.connection import Close
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.event import event_of
from tests.api.asyncapi import OFFICIAL, check, document, misfits
from tests.api.house import House

RUN = "01990000-0000-7000-8000-000000000000"


async def test_the_document_is_public_and_an_asyncapi_document(house: House) -> None:
    answer = await house.nobody.get("/asyncapi.json")

    official = jsonschema_rs.Draft7Validator(msgspec.json.decode(OFFICIAL.read_bytes()))
    assert [error.message for error in official.iter_errors(answer.json)] == []
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == document()


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(rb'"\$ref":"#/([^"]+)"', asyncapi()))

    assert references
    for reference in references:
        at = document()
        for step in reference.decode().split("/"):
            at = at[step]
        assert at


async def test_it_has_every_socket_that_is_served(house: House) -> None:
    served = {route.path_format for route in house.app.routes if route.path.startswith("/ws")}

    assert {channel["address"] for channel in document()["channels"].values()} == served


def test_it_has_every_frame_and_every_closing_code() -> None:
    client = {kind for kind in frames.ClientFrame.__args__ if kind is not frames.Approve}

    assert set(CLIENT) == client
    assert set(CLOSING) == set(Close)
    assert set(document()["x-close-codes"]) == {str(code.value) for code in Close}


@pytest.mark.parametrize("kind", tags((*EVENTS, *REPLIES)))
def test_examples_of_what_is_heard_are_frames(kind: str) -> None:
    (example,) = document()["components"]["messages"][kind]["examples"]

    check(example["payload"])


@pytest.mark.parametrize("kind", tags(EVENTS))
def test_examples_of_events_are_what_the_code_reads(kind: str) -> None:
    (example,) = document()["components"]["messages"][kind]["examples"]

    assert event_of(msgspec.json.encode(example["payload"])).type == kind


@pytest.mark.parametrize("kind", tags(CLIENT))
def test_examples_of_what_is_said_are_frames(kind: str) -> None:
    (example,) = document()["components"]["messages"][kind]["examples"]

    assert misfits(kind, example["payload"]) == []
    assert frames.read(msgspec.json.encode(example["payload"])) is not None


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "chat"},
        {"type": "chat", "message": ""},
        {"type": "chat", "message": "x", "priority": 10},
        {"type": "chat", "message": "x", "unknown": 1},
        {"type": "chat", "message": [{"type": "sound"}]},
        {"type": "watch"},
        {"type": "watch", "run_id": RUN, "from": 1},
        {"type": "cancel", "run_id": 1},
        {"type": "unwatch", "run_id": RUN, "after": 1},
        {"type": "auth"},
        {"type": "auth", "token": 1},
        {"type": "ping", "id": "x" * 201},
        {"type": "ping", "id": 1.5},
    ],
)
def test_what_the_document_refuses_is_what_the_server_refuses(frame: dict[str, object]) -> None:
    assert misfits(str(frame["type"]), frame)
    with pytest.raises(PolyAgentError):
        frames.read(msgspec.json.encode(frame))


@pytest.mark.parametrize("channel", list(CHANNELS))
def test_each_frame_of_a_client_is_heard_and_answered(channel: str) -> None:
    for kind in tags(CLIENT):
        operation = document()["operations"][f"{kind}_in_{channel}"]

        assert operation["action"] == "receive"
        assert operation["reply"]["messages"]
