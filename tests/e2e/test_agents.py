"""Agents and their runs on real processes: changed in between, structured, and models that call oddly."""

import json
from typing import Any

import httpx
import pytest

from tests.e2e.house import House, named
from tests.e2e.server import eventually
from tests.openai.caller import DONE, calls, fin, tc

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORM = {"type": "json_schema", "json_schema": {"name": "number", "schema": SCHEMA}}


def makes(house: House, **agent: Any) -> dict[str, Any]:
    body = {"name": named("agent"), "tools": ["ledger_read"], **agent}
    answer = house.http.post(f"{house.elsewhere}/api/v1/agents", json=body)
    return dict(answer.raise_for_status().json())


def chats(house: House, message: str, **more: Any) -> dict[str, Any]:
    ask = {"message": message, **more}
    answer = house.http.post(f"{house.elsewhere}/api/v1/chat", json=ask)
    return dict(answer.raise_for_status().json())


def prompts(control: httpx.Client, message: str) -> list[dict[str, Any]]:
    """Return the requests in which the model was asked `message`."""
    requests = control.get("/requests").json()
    return [r for r in requests if any(m["content"] == message for m in r["messages"])]


def asks_for(*entries: dict[str, Any]) -> str:
    """Return a line of a script: these entries of `tool_calls`, each in a delta of its own."""
    return f"stub {json.dumps([*calls(*entries), fin('tool_calls'), DONE])}"


def test_an_agent_that_changes_does_not_change_a_run_that_is_taken_over(
    house: House, model_control: httpx.Client
) -> None:
    slow, quick = named("slow"), named("quick")
    agent = makes(house, instructions="first")
    address = f"{house.elsewhere}/api/v1/agents/{agent['id']}"
    script = "\n".join(
        (
            f'calls ledger_read {{"label": "{slow}", "ms": 4000}}',
            f'calls ledger_read {{"label": "{quick}"}}',
            "say done",
        )
    )

    with house.streaming(house.gateway(1), script, agent_id=agent["id"]) as stream:
        stream.until("tool.called")
        eventually("the tool has begun", lambda: house.executions(slow))
        change = {"instructions": "second", "tools": [], "model_settings": {"temperature": 0}}
        house.http.patch(address, json=change).raise_for_status()
        house.member("gateway-1").kill()
    story = house.story(stream.run_id)
    house.restarts("gateway-1")
    chats(house, f"say {slow}", agent_id=agent["id"])

    kinds = [event["type"] for event in story]
    assert kinds.count("run.resumed") == 1
    assert kinds[-1] == "run.completed"
    assert house.run(stream.run_id)["agent_version"] == 1
    assert house.executions(quick) == ["begun", "ended"]
    asked = prompts(model_control, script)
    assert [request["messages"][0]["content"] for request in asked] == ["first"] * 3
    assert all("temperature" not in request and len(request["tools"]) == 1 for request in asked)
    (later,) = prompts(model_control, f"say {slow}")
    assert later["messages"][0]["content"] == "second"
    assert later["temperature"] == 0
    assert "tools" not in later


def test_a_form_is_handed_on_checked_and_asked_for_again(
    house: House, model_control: httpx.Client
) -> None:
    good = f'say {{"n":{named("")[1:]}}}'

    fits = chats(house, good, response_format=FORM)
    fails = chats(house, "say no", response_format=FORM)

    assert fits["status"] == "completed"
    assert json.loads(fits["message"]["content"]).keys() == {"n"}
    assert prompts(model_control, good)[0]["response_format"] == FORM
    assert (fails["status"], fails["error"]["code"]) == ("failed", "response_format_violated")
    assert fails["message"]["incomplete"]
    assert chats(house, "say on", session_id=fails["session_id"])["status"] == "completed"


@pytest.mark.parametrize("provider_id", ["call_0", "", None, "x" * 300])
def test_a_model_that_repeats_the_id_of_its_calls(house: House, provider_id: str | None) -> None:
    agent = makes(house)
    labels = [named("call") for _ in range(6)]

    def step(*wanted: str) -> str:
        arguments = [json.dumps({"label": label}) for label in wanted]
        return asks_for(*(tc(0, provider_id, "ledger_read", given) for given in arguments))

    plays = [
        "\n".join((step(*first), step(second), "say done"))
        for *first, second in (labels[:3], labels[3:])
    ]
    session: dict[str, Any] = {}
    for play in plays:
        answer = chats(house, play, agent_id=agent["id"], **session)
        assert (answer["status"], answer["message"]["content"]) == ("completed", "done ")
        session = {"session_id": answer["session_id"]}

    assert [house.executions(label) for label in labels] == [["begun", "ended"]] * 6
    path = f"{house.elsewhere}/api/v1/chat/sessions/{session['session_id']}/messages"
    messages = house.http.get(path).json()["items"]
    told = [call for message in messages for call in message["tool_calls"]]
    assert [(c["arguments"]["label"], c["result"]["label"]) for c in told] == [
        (label, label) for label in labels
    ]
    assert len({call["id"] for call in told}) == 6


ODD: list[Any] = [
    "",
    " ",
    None,
    {},
    '"[]"',
    "[]",
    '{"q":1}\n',
    '\ufeff{"q":1}',
    '```json\n{"q":1}\n```',
]


def test_arguments_of_odd_shapes_do_not_end_a_run(house: House) -> None:
    agent = makes(house)
    label = named("twice")
    twice = json.dumps(json.dumps({"label": label}))
    steps = [asks_for(tc(0, "a", "ledger_read", given)) for given in (*ODD, twice)]

    answer = chats(house, "\n".join((*steps, "say done")), agent_id=agent["id"])
    after = chats(house, "say on", agent_id=agent["id"], session_id=answer["session_id"])

    assert (answer["status"], after["status"]) == ("completed", "completed"), answer
    path = f"{house.elsewhere}/api/v1/chat/sessions/{answer['session_id']}/messages"
    messages = house.http.get(path).json()["items"]
    told = [call for message in messages for call in message["tool_calls"]]
    assert [call["state"] for call in told] == ["failed"] * len(ODD) + ["done"]
    assert house.executions(label) == ["begun", "ended"]
