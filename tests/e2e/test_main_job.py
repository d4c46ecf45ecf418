"""From a bare machine to a streamed answer, over real processes."""

import json
import re
import subprocess
from typing import Any

import httpx
import pytest

from tests.e2e.server import Up, eventually, sse


def test_an_administrator_logs_in_with_the_password_that_was_shown_once(up: Up) -> None:
    found = eventually(
        "the password is shown",
        lambda: re.search(r"password\s+(\S+)\s+\(shown", up.log.read_text()),
    )

    tokens = up.http.post(
        "/api/v1/users/login", json={"username": "admin", "password": found[1]}
    ).json()
    profile = up.http.get(
        "/api/v1/users/profile", headers={"Authorization": f"Bearer {tokens['access_token']}"}
    ).json()

    assert profile["username"] == "admin"
    assert profile["role"] == "admin"


def test_a_chat_is_answered_and_its_session_remembers(api: httpx.Client) -> None:
    first = api.post("/api/v1/chat", json={"message": "say one"}).json()

    second = api.post(
        "/api/v1/chat", json={"message": "say two", "session_id": first["session_id"]}
    ).json()
    messages = api.get(f"/api/v1/chat/sessions/{first['session_id']}/messages").json()["items"]

    assert [first["status"], second["status"]] == ["completed", "completed"]
    assert [m["content"].strip() for m in messages] == ["say one", "one", "say two", "two"]


def test_a_stream_tells_each_delta_and_ends_by_its_own_event(api: httpx.Client) -> None:
    with api.stream("POST", "/api/v1/chat/stream", json={"message": "say a b c"}) as response:
        events = list(sse(response.iter_lines()))

    text = "".join(event["text"] for event in events if event["type"] == "message.delta")
    assert text.split() == ["a", "b", "c"]
    assert events[0]["type"] == "run.started"
    assert events[-1]["type"] == "run.completed"
    ids = [event["id"] for event in events]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_a_reader_that_lost_its_connection_goes_on_where_it_was(api: httpx.Client) -> None:
    with api.stream("POST", "/api/v1/chat/stream", json={"message": "say a b c"}) as response:
        location = response.headers["content-location"]
        events = list(sse(response.iter_lines()))

    headers = {"Last-Event-ID": str(events[2]["id"])}
    with api.stream("GET", f"{location}/events", headers=headers) as response:
        rest = list(sse(response.iter_lines()))

    assert rest == events[3:]


def test_the_run_goes_on_when_its_client_leaves(
    api: httpx.Client, model_control: httpx.Client
) -> None:
    with api.stream("POST", "/api/v1/chat/stream", json={"message": "hold leaver"}) as response:
        location = response.headers["content-location"]
        model_control.get("/arrived/leaver")

    model_control.post("/release/leaver")
    run = eventually(
        "the run ends",
        lambda: (found := api.get(location).json())["status"] == "completed" and found,
    )

    assert run["error"] is None


def test_a_tool_is_called_and_its_result_told(api: httpx.Client) -> None:
    ask = {"message": 'call calculator {"expression": "0.1+0.2"}', "tools": ["calculator"]}

    answer = api.post("/api/v1/chat", json=ask).json()
    path = f"/api/v1/chat/sessions/{answer['session_id']}/messages"
    (call,) = api.get(path).json()["items"][1]["tool_calls"]

    assert answer["status"] == "completed"
    assert call["state"] == "done"
    assert "0.3" in json.dumps(call["result"])
    assert "0.3" in answer["message"]["content"]


def test_a_run_is_cancelled_in_the_middle_and_its_session_goes_on(
    api: httpx.Client, model_control: httpx.Client
) -> None:
    run = api.post("/api/v1/runs", json={"message": "hold cancelled"}).json()
    model_control.get("/arrived/cancelled")

    assert api.post(f"/api/v1/runs/{run['id']}/cancel").status_code == 202
    with api.stream("GET", f"/api/v1/runs/{run['id']}/events") as response:
        events = list(sse(response.iter_lines()))
    again = api.post(
        "/api/v1/chat", json={"message": "say on", "session_id": run["session_id"]}
    ).json()

    assert events[-1]["type"] == "run.cancelled"
    assert again["status"] == "completed"


ORIGINAL = """
curl -X POST {url}/api/v1/chat -H "Content-Type: application/json" -H "Authorization: Bearer {token}" \
  -d '{{"message": "Hello, AI!", "agent_type": "general", "tools": ["web_search"]}}'
curl -X POST {url}/api/v1/chat/stream -H "Content-Type: application/json" -H "Authorization: Bearer {token}" \
  -d '{{"message": "Tell me about AI", "stream": true}}'
curl -X GET {url}/api/v1/agents -H "Authorization: Bearer {token}"
curl -X POST {url}/api/v1/agents -H "Content-Type: application/json" -H "Authorization: Bearer {token}" \
  -d '{{"name": "Code Assistant", "type": "code", "description": "AI assistant for coding tasks", "tools": ["code_analyzer", "git_helper"]}}'
curl -X POST {url}/api/v1/documents/upload -H "Authorization: Bearer {token}" -F "file=@/dev/null"
curl -X GET {url}/api/v1/documents -H "Authorization: Bearer {token}"
curl -X GET {url}/health
curl -X GET {url}/metrics
"""
EXPECTED = [
    (200, '"status":"completed"'),
    (200, "event: run.completed"),
    (200, '"name":"general"'),
    (201, '"name":"Code Assistant"'),
    (202, '"filename":"null"'),
    (200, '"filename":"null"'),
    (200, '"version"'),
    (200, "polyagent_runs_total"),
]


@pytest.mark.parametrize("number", range(len(EXPECTED)))
def test_the_curl_lines_of_the_original_work_as_they_stand(up: Up, token: str, number: int) -> None:
    lines = ORIGINAL.strip().replace("\\\n", "").split("\n")
    line = lines[number].format(url=up.url.replace("127.0.0.1", "localhost"), token=token)

    done = subprocess.run(
        ["bash", "-c", f"{line} -sS -w '\\n%{{http_code}}'"],  # the user's own shell
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")

    wanted, text = EXPECTED[number]
    assert (int(status), text in body) == (wanted, True), body


def test_health_says_what_the_server_stands_on(up: Up) -> None:
    health: dict[str, Any] = up.http.get("/health").json()

    assert health["status"] == "ok"
    assert {"postgres", "redis", "model_service"} <= health["components"].keys()
