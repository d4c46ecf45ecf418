"""Clients that come all at once, ask again, or ask for what cannot be, at two gateways."""

from typing import Any

import httpx
import pytest

from polyagent.domain.event import EPOCH
from tests.e2e.house import ENDS, House, named


def test_twenty_runs_into_one_session_at_once_go_one_by_one(house: House) -> None:
    session = house.http.post(f"{house.gateway(1)}/api/v1/chat", json={"message": "say 0"}).json()
    at = [house.gateway(1), house.gateway(2)]

    def ask(n: int) -> dict[str, Any]:
        return house.asks(at[n % 2], f"say {n}", session_id=session["session_id"])

    runs = list(house.readers.map(ask, range(1, 21)))
    stories = [house.story(run["id"]) for run in runs]

    path = f"/api/v1/chat/sessions/{session['session_id']}/messages?limit=100"
    messages = house.http.get(house.elsewhere + path).json()["items"]
    assert {story[-1]["type"] for story in stories} == {"run.completed"}
    assert [message["role"] for message in messages] == ["user", "assistant"] * 21
    pairs = zip(messages[::2], messages[1::2], strict=True)
    assert all(asked["content"] == f"say {told['content'].strip()}" for asked, told in pairs)
    assert len({message["content"] for message in messages}) == 42


def test_cancelling_again_changes_nothing(house: House, model_control: httpx.Client) -> None:
    place = named("cancel")
    run = house.asks(house.gateway(1), f"hold {place}")
    model_control.get(f"/arrived/{place}")
    path = f"/api/v1/runs/{run['id']}/cancel"

    answers = [house.http.post(house.gateway(n % 2 + 1) + path).status_code for n in range(3)]
    story = house.story(run["id"])
    again = house.http.post(house.gateway(2) + path)

    assert answers == [202, 202, 202]
    assert [event["type"] for event in story if event["type"] in ENDS] == ["run.cancelled"]
    assert (again.status_code, again.json()["status"]) == (202, "cancelled")


def test_a_run_that_has_completed_cannot_be_cancelled(house: House) -> None:
    answer = house.http.post(f"{house.gateway(1)}/api/v1/chat", json={"message": "say x"}).json()

    refused = house.http.post(f"{house.gateway(2)}/api/v1/runs/{answer['run_id']}/cancel")

    assert (refused.status_code, refused.json()["code"]) == (409, "run_finished")


@pytest.mark.parametrize("path", ["/api/v1/runs", "/api/v1/chat"])
def test_one_key_at_the_same_instant_on_two_processes_is_one_run(house: House, path: str) -> None:
    key = named("key")
    ask = {"message": f"say {key}"}

    def send(n: int) -> httpx.Response:
        headers = {"Idempotency-Key": key}
        return house.http.post(f"{house.gateway(n % 2 + 1)}{path}", json=ask, headers=headers)

    answers = list(house.readers.map(send, range(8)))

    bodies = [answer.json() for answer in answers]
    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({body.get("run_id") or body["id"] for body in bodies}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1


@pytest.mark.parametrize("is_running", [True, False])
def test_cursors_that_cannot_be_are_refused(
    house: House, model_control: httpx.Client, is_running: bool
) -> None:
    place = named("cursor")
    run = house.asks(house.gateway(1), f"hold {place}" if is_running else "say short")
    if is_running:
        model_control.get(f"/arrived/{place}")
    else:
        house.story(run["id"])
    of_a_longer_run = house.story(house.asks(house.gateway(1), "long 200")["id"])[-1]["id"]
    cursors = ["-1", "9" * 400, "9" * 18, "x", "1.5", "", "٣", str(5 * EPOCH + 1)]
    cursors += [] if is_running else [str(of_a_longer_run)]

    refusals = {
        (cursor, kind): house.http.get(
            f"{house.gateway(2)}/api/v1/runs/{run['id']}/events",
            params={"after": cursor},
            headers={"Accept": kind},
        )
        for cursor in cursors
        for kind in ("text/event-stream", "application/json")
    }
    model_control.post(f"/release/{place}")

    found = {
        name: (answer.status_code, answer.json().get("code")) for name, answer in refusals.items()
    }
    assert found == dict.fromkeys(found, (400, "cursor_invalid"))
