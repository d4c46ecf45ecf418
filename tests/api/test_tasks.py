"""Tasks: enqueued, watched, cancelled, tried again; and what a worker makes of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from polyagent.adapters.kinds.provider import KindsProvider
from polyagent.adapters.worker.tasks.runner import TaskRunner
from polyagent.app import App, TaskContext
from polyagent.domain.errors import TaskGivenUp
from polyagent.domain.ids import new_id
from polyagent.settings import Limits, Queue
from tests.api.client import Answer, Client
from tests.api.house import SETTINGS, House, in_one_task, without

TASKS = "/api/v1/tasks"
STATS = "/api/v1/stats/tasks"
PATIENCE_S = 30
FINAL = ("succeeded", "dead", "cancelled")
NOTE = {"kind": "note", "payload": {"text": "hi"}}

own = App()


@own.task
async def note(text: str, times: int = 1) -> str:
    return text * times


@own.task(max_attempts=1)
def counts(upto: int, context: TaskContext) -> dict[str, Any]:
    context.progress({"of": upto})
    return {"sum": sum(range(upto)), "key": context.idempotency_key, "attempt": context.attempt}


@own.task(max_attempts=2, timeout_s=0.1)
async def hangs() -> None:
    await asyncio.Event().wait()


@own.task
async def gives_up() -> None:
    raise TaskGivenUp("There is no such customer.")


@asynccontextmanager
async def lived_in(**limits: int) -> AsyncIterator[House]:
    settings = msgspec.structs.replace(
        SETTINGS, queue=Queue(retry_s=0.01, drain_s=0.2), limits=Limits(**limits)
    )
    async with House(settings, KindsProvider(own.kinds)).open() as house:
        yield house


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with in_one_task(lived_in()) as house:
        yield house


@asynccontextmanager
async def at_work(house: House) -> AsyncIterator[None]:
    async with (await house.container.get(TaskRunner)).running():
        yield


async def enqueued(client: Client, body: dict[str, Any] | None = None, **more: Any) -> Any:
    answer = await client.post(TASKS, {**(body or NOTE), **more})
    assert answer.status == 202, answer.body
    return answer.json


async def until(client: Client, task: Any, is_so: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so(seen := (await client.get(f"{TASKS}/{task['id']}")).json):
            await asyncio.sleep(0.02)
    return seen


async def ended(client: Client, task: Any) -> Any:
    return await until(client, task, lambda seen: seen["status"] in FINAL)


async def test_a_task_waits_until_a_worker_does_it(house: House) -> None:
    answer = await house.ann.post(TASKS, {**NOTE, "priority": 9, "metadata": {"b": 1, "a": 2}})
    waiting = answer.json
    async with at_work(house):
        done = await ended(house.ann, waiting)

    assert answer.status == 202
    assert answer.headers["location"] == f"{TASKS}/{waiting['id']}"
    assert waiting["status"] == "queued"
    assert waiting["next_attempt_at"] is not None
    assert (waiting["attempts"], waiting["result"], waiting["finished_at"]) == ([], None, None)
    assert (done["status"], done["result"], done["error"]) == ("succeeded", "hi", None)
    assert without(done["attempts"][0], "started_at", "finished_at") == {
        "number": 1,
        "error": None,
    }
    assert done["attempts"][0]["finished_at"] is not None
    assert (done["priority"], done["metadata"]) == (9, {"b": 1, "a": 2})


async def test_a_function_that_blocks_gets_its_context(house: House) -> None:
    task = await enqueued(house.ann, {"kind": "counts", "payload": {"upto": 5}})
    async with at_work(house):
        done = await ended(house.ann, task)

    assert done["result"] == {"sum": 10, "key": task["id"], "attempt": 1}
    assert done["max_attempts"] == 1


async def test_what_takes_too_long_is_tried_again_and_then_dead(house: House) -> None:
    task = await enqueued(house.ann, {"kind": "hangs"})
    async with at_work(house):
        dead = await ended(house.ann, task)
        again = await house.ann.post(f"{TASKS}/{task['id']}/retry")
        dead_again = await until(house.ann, task, lambda seen: len(seen["attempts"]) == 4)

    assert [attempt["error"]["code"] for attempt in dead["attempts"]] == ["task_timed_out"] * 2
    assert (dead["status"], dead["error"]["code"]) == ("dead", "task_timed_out")
    assert (again.status, again.json["status"]) == (202, "queued")
    assert [attempt["number"] for attempt in dead_again["attempts"]] == [1, 2, 3, 4]


async def test_what_is_given_up_says_why(house: House) -> None:
    task = await enqueued(house.ann, {"kind": "gives_up"})
    async with at_work(house):
        dead = await ended(house.ann, task)

    assert dead["error"] == {
        "code": "task_given_up",
        "detail": "There is no such customer.",
        "retryable": False,
    }


async def test_an_agent_answers_in_the_background(house: House) -> None:
    task = await enqueued(house.ann, {"kind": "chat", "payload": {"message": "hello"}})
    async with at_work(house):
        done = await ended(house.ann, task)
    run = (await house.ann.get(f"/api/v1/runs/{done['result']['run_id']}")).json
    mine = (await house.bob.get(f"/api/v1/runs/{done['result']['run_id']}")).status

    assert done["result"]["message"]["content"]
    assert run["session_id"] == done["result"]["session_id"]
    assert run["status"] == "completed"
    assert mine == 404


async def test_a_tool_is_called_in_the_background(house: House) -> None:
    payload = {"name": "calculator", "arguments": {"expression": "6 * 7"}}
    task = await enqueued(house.ann, {"kind": "tool", "payload": payload})
    async with at_work(house):
        done = await ended(house.ann, task)

    assert done["status"] == "succeeded", done
    assert "42" in str(done["result"])


async def test_a_running_task_is_cancelled(house: House) -> None:
    task = await enqueued(house.ann, {"kind": "hangs"}, timeout_s=60)
    async with at_work(house):
        await until(house.ann, task, lambda seen: seen["status"] == "running")
        asked = await house.ann.post(f"{TASKS}/{task['id']}/cancel")
        gone = await ended(house.ann, task)
    again = await house.ann.post(f"{TASKS}/{task['id']}/cancel")
    retried = await house.ann.post(f"{TASKS}/{task['id']}/retry")

    assert (asked.status, asked.json["status"]) == (202, "running")
    assert (gone["status"], gone["error"]["code"]) == ("cancelled", "cancelled")
    assert (again.status, again.json["status"]) == (202, "cancelled")
    assert (retried.status, retried.json["code"]) == (409, "task_finished")


async def test_cancelling_a_chat_cancels_its_run(house: House) -> None:
    house.models.gate.clear()
    task = await enqueued(house.ann, {"kind": "chat", "payload": {"message": "hello"}})
    async with at_work(house):
        await house.models.asked.wait()
        await house.ann.post(f"{TASKS}/{task['id']}/cancel")
        gone = await ended(house.ann, task)
        async with asyncio.timeout(PATIENCE_S):
            while not (
                runs := (await house.ann.get("/api/v1/runs?status=cancelled")).json["items"]
            ):
                await asyncio.sleep(0.02)

    assert gone["status"] == "cancelled"
    assert len(runs) == 1


async def test_a_chat_that_takes_too_long_for_the_last_time_ends_its_run(house: House) -> None:
    house.models.gate.clear()
    chat = {"kind": "chat", "payload": {"message": "hello"}}
    task = await enqueued(house.ann, chat, max_attempts=2, timeout_s=0.5)
    async with at_work(house):
        dead = await ended(house.ann, task)
        async with asyncio.timeout(PATIENCE_S):
            while not (
                runs := (await house.ann.get("/api/v1/runs?status=cancelled")).json["items"]
            ):
                await asyncio.sleep(0.02)

    assert (dead["status"], dead["error"]["code"]) == ("dead", "task_timed_out")
    assert len(runs) == 1
    assert len((await house.ann.get("/api/v1/runs")).json["items"]) == 1


async def test_a_key_that_is_no_administrators_gets_no_more_by_a_task(house: House) -> None:
    secret = (await house.agent(house.ann, name="ann's own"))["id"]
    key = {"name": "ci", "scopes": ["chat", "tasks:write", "tasks:read"]}
    made = (await house.root.post("/api/v1/api-keys", key)).json
    narrow = house.nobody.with_token(made["secret"])
    ask = {"message": "What are you told?", "agent_id": secret}
    (await narrow.post("/api/v1/chat", ask)).as_problem(404, "not_found")
    task = await enqueued(narrow, {"kind": "chat", "payload": ask})
    async with at_work(house):
        dead = await ended(narrow, task)

    assert (dead["status"], dead["error"]["code"]) == ("dead", "not_found")


async def test_what_is_over_cannot_be_cancelled(house: House) -> None:
    task = await enqueued(house.ann)
    async with at_work(house):
        await ended(house.ann, task)

    answer = await house.ann.post(f"{TASKS}/{task['id']}/cancel")

    assert (answer.status, answer.json["code"]) == (409, "task_finished")


async def test_a_live_task_answers_for_its_unique_key(house: House) -> None:
    first = await enqueued(house.ann, unique_key="daily")
    again = await house.ann.post(TASKS, {**NOTE, "unique_key": "daily"})
    other = await enqueued(house.bob, unique_key="daily")
    customer = await enqueued(house.ann, unique_key="daily", end_user="customer")

    assert (again.status, again.json["id"]) == (200, first["id"])
    assert len({first["id"], other["id"], customer["id"]}) == 3


async def test_the_same_request_again_enqueues_nothing_more(house: House) -> None:
    first = await house.ann.post(TASKS, NOTE, idempotency_key="k")
    again = await house.ann.post(TASKS, NOTE, idempotency_key="k")
    other = await house.ann.post(TASKS, {**NOTE, "priority": 1}, idempotency_key="k")

    assert (again.status, again.json["id"]) == (202, first.json["id"])
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")


async def test_lists_are_by_status_kind_and_end_user(house: House) -> None:
    later = await enqueued(house.ann, delay_s=3600, end_user="customer")
    counting = await enqueued(house.ann, {"kind": "counts", "payload": {"upto": 1}})
    await enqueued(house.bob)

    async def listed(client: Client, query: str) -> list[str]:
        return [task["id"] for task in (await client.get(f"{TASKS}{query}")).json["items"]]

    assert await listed(house.ann, "") == [counting["id"], later["id"]]
    assert await listed(house.ann, "?status=scheduled") == [later["id"]]
    assert await listed(house.ann, "?kind=counts") == [counting["id"]]
    assert await listed(house.ann, "?end_user=customer") == [later["id"]]
    assert len(await listed(house.root, "")) == 3
    assert (await house.ann.get(f"{TASKS}?status=parked")).status == 400


async def test_pages_go_on_behind_their_cursor(house: House) -> None:
    ids = [(await enqueued(house.ann))["id"] for _ in range(3)]
    first = (await house.ann.get(f"{TASKS}?limit=2&order=asc")).json
    rest = (await house.ann.get(f"{TASKS}?limit=2&order=asc&cursor={first['next_cursor']}")).json

    assert [task["id"] for task in first["items"] + rest["items"]] == ids
    assert rest["next_cursor"] is None


async def test_nobody_sees_anybody_elses(house: House) -> None:
    task = await enqueued(house.ann)
    path = f"{TASKS}/{task['id']}"

    assert (await house.bob.get(path)).status == 404
    assert (await house.bob.post(f"{path}/cancel")).status == 404
    assert (await house.bob.post(f"{path}/retry")).status == 404
    assert (await house.root.get(path)).status == 200
    assert (await house.ann.get(f"{TASKS}/{new_id()}")).status == 404
    assert (await house.nobody.get(path)).status == 401


async def test_a_viewer_only_looks(house: House) -> None:
    assert (await house.vic.get(TASKS)).json["items"] == []
    assert (await house.vic.post(TASKS, NOTE)).status == 403


async def test_a_key_enqueues_within_its_scopes(house: House) -> None:
    async def client(*scopes: str) -> Client:
        made = await house.ann.post("/api/v1/api-keys", {"name": "ci", "scopes": scopes})
        return house.nobody.with_token(made.json["secret"])

    chat = {"kind": "chat", "payload": {"message": "hello"}}
    writes = await client("tasks:write")

    assert (await writes.post(TASKS, NOTE)).status == 202
    refused = await writes.post(TASKS, chat)
    assert (refused.status, refused.json["code"]) == (403, "scope_missing")
    assert (await (await client("tasks:write", "chat")).post(TASKS, chat)).status == 202
    assert (await (await client("tasks:read")).post(TASKS, NOTE)).status == 403


WRONG = [
    ({"kind": "nonsense"}, 422, "kind_unknown", "#/kind"),
    ({"kind": ""}, 400, "invalid_request", "#/kind"),
    ({}, 400, "invalid_request", "#/kind"),
    ({"kind": "note", "payload": {}}, 400, "invalid_request", "#/payload/text"),
    ({"kind": "note", "payload": {"text": 3}}, 400, "invalid_request", "#/payload/text"),
    ({"kind": "note", "payload": {"text": "", "x": 1}}, 400, "invalid_request", "#/payload/x"),
    ({"kind": "note", "payload": [1]}, 400, "invalid_request", "#/payload"),
    ({"kind": "chat", "payload": {"message": ""}}, 400, "invalid_request", "#/payload/message"),
    *(
        (
            {"kind": "webhook", "payload": {"url": "https://example.com/", "headers": headers}},
            *(400, "invalid_request", "#/payload/headers"),
        )
        for headers in ({"Host": "evil"}, {"a": "b\r\nX: 1"}, {"": "a"}, {"transfer-encoding": "a"})
    ),
    (
        {"kind": "chat", "payload": {"message": "a", "stream": True}},
        400,
        "invalid_request",
        "#/payload/stream",
    ),
    ({"kind": "tool", "payload": {"name": "none"}}, 422, "tool_unknown", "#/payload/name"),
    ({**NOTE, "status": "dead"}, 400, "invalid_request", "#/status"),
    ({**NOTE, "priority": 10}, 400, "invalid_request", "#/priority"),
    ({**NOTE, "priority": -1}, 400, "invalid_request", "#/priority"),
    ({**NOTE, "max_attempts": 0}, 400, "invalid_request", "#/max_attempts"),
    ({**NOTE, "timeout_s": 0}, 400, "invalid_request", "#/timeout_s"),
    ({**NOTE, "timeout_s": 1e308}, 400, "invalid_request", "#/timeout_s"),
    ({**NOTE, "delay_s": -1}, 400, "invalid_request", "#/delay_s"),
    ({**NOTE, "delay_s": 1e15}, 400, "invalid_request", "#/delay_s"),
    ({**NOTE, "delay_s": 1e308}, 400, "invalid_request", "#/delay_s"),
    ({**NOTE, "run_at": "2027-01-01T00:00:00"}, 400, "invalid_request", "#/run_at"),
    ({**NOTE, "run_at": "9999-12-31T23:59:59-01:00"}, 400, "invalid_request", None),
    ({**NOTE, "run_at": "0001-01-01T00:00:00+01:00"}, 400, "invalid_request", None),
    ({**NOTE, "run_at": "2027-01-01T00:00:60Z"}, 400, "invalid_request", "#/run_at"),
    ({**NOTE, "run_at": "2027-01-01T00:00:00Z", "delay_s": 1}, 400, "invalid_request", None),
    ({**NOTE, "end_user": "x" * 201}, 400, "invalid_request", "#/end_user"),
    ({**NOTE, "unique_key": ""}, 400, "invalid_request", "#/unique_key"),
]


@pytest.mark.parametrize(("body", "status", "code", "pointer"), WRONG)
async def test_what_is_wrong_is_pointed_at(
    house: House, body: dict[str, Any], status: int, code: str, pointer: str | None
) -> None:
    answer = await house.ann.post(TASKS, body)

    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    if pointer is not None:
        assert [fault["pointer"] for fault in answer.json["errors"]] == [pointer]


async def test_a_payload_of_10_mb_is_too_large(house: House) -> None:
    answer = await house.ann.post(TASKS, {**NOTE, "payload": {"text": "x" * 10_000_000}})

    assert answer.status == 413


@pytest.mark.parametrize("run_at", ["2001-02-03T04:05:06Z", "0001-01-01T00:00:00Z"])
async def test_what_was_due_in_the_past_runs_now(house: House, run_at: str) -> None:
    task = await enqueued(house.ann, run_at=run_at)
    async with at_work(house):
        done = await ended(house.ann, task)

    assert task["status"] == "queued"
    assert done["status"] == "succeeded"


@pytest.mark.parametrize(
    ("run_at", "told"),
    [
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("2126-01-01T02:00:00+02:00", "2126-01-01T00:00:00Z"),
    ],
)
async def test_an_instant_reads_back_as_the_same(house: House, run_at: str, told: str) -> None:
    task = await enqueued(house.ann, run_at=run_at)

    assert (task["status"], task["next_attempt_at"]) == ("scheduled", told)


async def test_a_short_delay_is_kept(house: House) -> None:
    task = await enqueued(house.ann, delay_s=0.001)
    async with at_work(house):
        done = await ended(house.ann, task)

    assert done["status"] == "succeeded"


async def test_a_user_has_only_so_many_waiting() -> None:
    async with lived_in(queued_tasks=2) as house:
        await enqueued(house.ann)
        await enqueued(house.ann, delay_s=60)
        refused = await house.ann.post(TASKS, NOTE)
        await enqueued(house.bob)

    assert (refused.status, refused.json["code"]) == (429, "limited")
    assert refused.headers["retry-after"] == "5"


async def test_tasks_are_counted(house: House) -> None:
    for _ in range(2):
        await enqueued(house.ann)
    task = await enqueued(house.ann, {"kind": "gives_up"})
    await enqueued(house.bob)
    async with at_work(house):
        await ended(house.ann, task)
        await until_all_done(house.ann)
    mine = (await house.ann.get(STATS)).json["items"]
    past = (await house.ann.get(f"{STATS}?to=2020-01-01T00:00:00Z")).json["items"]
    all_ = (await house.root.get(f"{STATS}?from=2020-01-01T00:00:00%2B01:00")).json["items"]

    assert [(each["kind"], each["status"], each["count"]) for each in mine] == [
        ("gives_up", "dead", 1),
        ("note", "succeeded", 2),
    ]
    assert past == []
    assert sum(each["count"] for each in all_) == 4


async def until_all_done(client: Client) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await client.get(f"{TASKS}?status=queued")).json["items"]:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "at", ["yesterday", "2020-01-01T00:00:00", "9999-12-31T23:59:59-01:00", ""]
)
async def test_a_span_needs_instants(house: House, at: str) -> None:
    answer: Answer = await house.ann.get(f"{STATS}?from={at}")

    assert answer.status == 400


async def test_metrics_tell_of_tasks(house: House) -> None:
    task = await enqueued(house.ann)
    await enqueued(house.ann, delay_s=60)
    async with at_work(house):
        await ended(house.ann, task)
    text = (await house.nobody.get("/metrics")).body.decode()

    assert 'polyagent_tasks_unfinished{status="queued"} 1.0' in text
    assert 'polyagent_tasks_total{kind="note",status="succeeded"} 1.0' in text
    assert 'polyagent_task_wait_seconds_count{kind="note"} 1.0' in text
