"""The trace that a request belongs to, from its client to the model service."""

import json
import subprocess
import sys

import pytest

from tests.traced import PATHS, heard_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = f"00-{TRACE}-00f067aa0ba902b7-01"
LIMIT_S = 120


async def test_where_nobody_listens_the_model_service_hears_what_the_client_sent() -> None:
    assert await heard_of(SENT) == [SENT, SENT]


@pytest.mark.parametrize("how", ["background", "task"])
async def test_what_waits_in_the_queue_keeps_its_trace(how: str) -> None:
    assert await heard_of(SENT, how) == [SENT, SENT]


@pytest.mark.parametrize(
    "sent",
    [
        *("", "garbage", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-{'0' * 16}-01"),
        f"ff-{TRACE}-00f067aa0ba902b7-01",
    ],
)
async def test_what_is_no_trace_is_left_out(sent: str) -> None:
    assert await heard_of(sent) == [None, None]


@pytest.mark.parametrize(("how", "status"), [("", 200), ("background", 202), ("task", 202)])
def test_where_somebody_listens_every_part_of_a_run_is_told(how: str, status: int) -> None:
    argv = [sys.executable, "-m", "tests.traced", SENT, how]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_S, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    told["spans"] = [span for span in told["spans"] if not span["name"].startswith("GET ")]
    spans = {span["name"]: span for span in told["spans"]}

    request, run = spans[f"POST {PATHS[how]}"], spans["invoke_agent"]
    asking = spans["task chat"] if how == "task" else request
    call, tool = spans["chat scripted"], spans["execute_tool calculator"]
    assert {span["trace"] for span in told["spans"]} == {TRACE}
    assert request["parent"] == "00f067aa0ba902b7"
    assert run["parent"] == asking["id"]
    assert asking["parent"] == (request["id"] if how == "task" else request["parent"])
    assert call["parent"] == tool["parent"] == run["id"]
    assert (request["kind"], call["kind"]) == ("SERVER", "CLIENT")
    assert request["attributes"]["http.response.status_code"] == status
    assert call["attributes"]["gen_ai.operation.name"] == "chat"
    assert call["attributes"]["gen_ai.request.model"] == "scripted"
    assert call["attributes"]["gen_ai.usage.output_tokens"] > 0
    assert run["attributes"]["gen_ai.conversation.id"]
    assert tool["attributes"]["gen_ai.tool.name"] == "calculator"
    calls = [span["id"] for span in told["spans"] if span["name"] == "chat scripted"]
    assert told["heard"] == [f"00-{TRACE}-{span}-01" for span in calls]
