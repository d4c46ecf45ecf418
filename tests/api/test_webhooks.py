"""Webhooks over HTTP: made, changed, heard, tried out, and delivered to again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook as Verifier

from polyagent.adapters.worker.tasks.runner import TaskRunner
from polyagent.settings import Limits, Queue, Tools, Webhooks
from tests.api.client import Client
from tests.api.house import SETTINGS, House, some_id, without
from tests.web.server import WebServer

HOOKS = "/api/v1/webhooks"
TASKS = "/api/v1/tasks"
PUBLIC = "https://192.0.1.1/hook"
PATIENCE_S = 30
MOST = 3


@asynccontextmanager
async def lived_in(*allowed: str) -> AsyncIterator[House]:
    """A house whose users may send to 127.0.0.1 where that is allowed, and whose retries are quick."""
    settings = msgspec.structs.replace(
        SETTINGS,
        queue=Queue(retry_s=0.01, drain_s=0.2),
        limits=Limits(user_webhooks=MOST),
        tools=Tools(allow_private=allowed),
        webhooks=Webhooks(retry_delays_s=(0.01,)),
    )
    async with House(settings).open() as house:
        yield house


@asynccontextmanager
async def kept(house: AbstractAsyncContextManager[House]) -> AsyncIterator[House]:
    """Keep a house open in a task of its own: the framework's lifespan holds cancel scopes."""
    opened: asyncio.Queue[House] = asyncio.Queue()
    closing = asyncio.Event()

    async def live() -> None:
        async with house as found:
            await opened.put(found)
            await closing.wait()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(live())
        yield await opened.get()
        closing.set()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with kept(lived_in()) as house:
        yield house


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    async with WebServer().open() as server:
        server.pages["/took"] = b"thanks"
        yield server


@pytest.fixture
async def open_house(server: WebServer) -> AsyncIterator[House]:
    """One whose worker is at work, and may send to the server."""
    async with (
        kept(lived_in("127.0.0.1")) as house,
        (await house.container.get(TaskRunner)).running(),
    ):
        yield house


async def made(client: Client, url: str = PUBLIC, *events: str, **more: Any) -> Any:
    answer = await client.post(HOOKS, {"url": url, "events": events or ["*"], **more})
    assert answer.status == 201, answer.body
    return answer.json


async def deliveries(client: Client, webhook: Any) -> list[Any]:
    return list((await client.get(f"{HOOKS}/{webhook['id']}/deliveries")).json["items"])


async def until(client: Client, webhook: Any, is_so: Callable[[list[Any]], bool]) -> list[Any]:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so(found := await deliveries(client, webhook)):
            await asyncio.sleep(0.02)
    return found


def over(n: int) -> Callable[[list[Any]], bool]:
    """Say whether so many deliveries are over."""
    ends = ("succeeded", "dead", "cancelled")
    return lambda found: sum(delivery["status"] in ends for delivery in found) >= n


async def test_a_webhook_shows_its_secret_once(house: House) -> None:
    answer = await house.ann.post(
        HOOKS, {"url": PUBLIC, "events": ["run.failed", "*"], "description": "mine"}
    )

    webhook = answer.json
    read = (await house.ann.get(f"{HOOKS}/{webhook['id']}")).json
    listed = (await house.ann.get(HOOKS)).json["items"]
    assert answer.status == 201
    assert webhook["secret"].startswith("whsec_")
    assert without(webhook, "secret") == read
    assert listed == [read]
    assert (read["url"], read["events"], read["description"], read["status"]) == (
        *(PUBLIC, ["run.failed", "*"], "mine", "active"),
    )


async def test_a_repeated_request_has_no_secret(house: House) -> None:
    body = {"url": PUBLIC, "events": ["*"]}

    first = await house.ann.post(HOOKS, body, idempotency_key="k")
    again = await house.ann.post(HOOKS, body, idempotency_key="k")

    assert again.json == without(first.json, "secret")


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1/hook", "http://10.1.2.3", "https://[::1]/", "http://localhost:8080"),
        *("http://169.254.169.254/latest", "http://0x7f000001/", "http://2130706433/"),
        *("ftp://example.com", "javascript:alert(1)", "example.com/hook", "https://"),
        *("https://me:secret@example.com/", "http://[::ffff:127.0.0.1]/"),
    ],
)
async def test_an_address_that_must_not_be_sent_to_is_refused(house: House, url: str) -> None:
    webhook = await made(house.ann)

    for answer in (
        await house.ann.post(HOOKS, {"url": url, "events": ["*"]}),
        await house.ann.request("PATCH", f"{HOOKS}/{webhook['id']}", json={"url": url}),
    ):
        problem = answer.as_problem(422, "address_refused")
        assert [error["pointer"] for error in problem["errors"]] == ["#/url"]
    task = {"kind": "webhook", "payload": {"url": url}}
    problem = (await house.ann.post(TASKS, task)).as_problem(422, "address_refused")
    assert [error["pointer"] for error in problem["errors"]] == ["#/payload/url"]
    assert (await house.ann.get(f"{HOOKS}/{webhook['id']}")).json["url"] == PUBLIC


async def test_an_event_that_nobody_knows_is_refused(house: House) -> None:
    webhook = await made(house.ann)
    events = ["run.completed", "run.exploded", "ping"]

    for answer in (
        await house.ann.post(HOOKS, {"url": PUBLIC, "events": events}),
        await house.ann.request("PATCH", f"{HOOKS}/{webhook['id']}", json={"events": events}),
    ):
        problem = answer.as_problem(422, "event_unknown")
        assert [error["pointer"] for error in problem["errors"]] == ["#/events/1", "#/events/2"]
        assert "task.dead" in problem["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"url": PUBLIC},
        {"url": PUBLIC, "events": []},
        {"url": PUBLIC, "events": ["*"], "status": "active"},
        {"url": "x" * 2049, "events": ["*"]},
        {"url": PUBLIC, "events": ["*"], "secret": "whsec_c2hvcnQ="},
        {"url": PUBLIC, "events": ["*"], "secret": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
        {"url": PUBLIC, "events": ["*"], "secret": "whsec_not base64 at all, and not ever"},
        {"url": PUBLIC, "events": "*"},
    ],
)
async def test_a_malformed_webhook_is_refused(house: House, body: Any) -> None:
    (await house.ann.post(HOOKS, body)).as_problem(400, "invalid_request")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"url": PUBLIC, "method": "GET"},
        {"url": PUBLIC, "headers": {"X": 1}},
        {"url": PUBLIC, "headers": {"Host": "inside"}},
        {"url": PUBLIC, "headers": {"X-Two": "a\r\nb: c"}},
        {"type": "run.completed", "data": {}, "timestamp": "now"},
    ],
)
async def test_a_malformed_task_is_refused(house: House, payload: Any) -> None:
    task = {"kind": "webhook", "payload": payload}

    (await house.ann.post(TASKS, task)).as_problem(400, "invalid_request")


async def test_a_user_has_so_many(house: House) -> None:
    for _ in range(MOST):
        await made(house.ann)

    (await house.ann.post(HOOKS, {"url": PUBLIC, "events": ["*"]})).as_problem(429, "limited")

    await made(house.bob)


async def test_what_is_anothers_is_not_found(house: House) -> None:
    webhook = await made(house.ann)
    path = f"{HOOKS}/{webhook['id']}"

    for answer in (
        await house.bob.get(path),
        await house.bob.request("PATCH", path, json={"url": PUBLIC}),
        await house.bob.request("DELETE", path),
        await house.bob.post(f"{path}/rotate"),
        await house.bob.post(f"{path}/test"),
        await house.bob.get(f"{path}/deliveries"),
        await house.bob.post(f"{path}/deliveries/{some_id()}/redeliver"),
    ):
        answer.as_problem(404, "not_found")
    assert (await house.root.get(path)).json == without(webhook, "secret")
    (await house.vic.post(HOOKS, {"url": PUBLIC, "events": ["*"]})).as_problem(403, "forbidden")


async def test_a_run_and_a_task_are_told(open_house: House, server: WebServer) -> None:
    house = open_house
    webhook = await made(house.ann, f"http://127.0.0.1:{server.port}/took")

    run = (await house.chat(house.ann)).json
    task = (await house.ann.post(TASKS, {"kind": "chat", "payload": {"message": "hi"}})).json

    found = await until(house.ann, webhook, over(3))
    bodies = [Verifier(webhook["secret"]).verify(*_request(request)) for request in server.requests]
    by_id = {body["data"].get("task_id") or body["data"]["run_id"]: body["type"] for body in bodies}
    assert sorted(by_id.values()) == ["run.completed", "run.completed", "task.succeeded"]
    assert by_id[run["run_id"]] == "run.completed"
    assert by_id[task["id"]] == "task.succeeded"
    assert {delivery["status"] for delivery in found} == {"succeeded"}
    assert (await house.bob.get(f"{HOOKS}/{webhook['id']}")).status == 404


def _request(request: bytes) -> tuple[bytes, dict[str, str]]:
    head, _, body = request.partition(b"\r\n\r\n")
    headers = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return body, {name: value.strip() for name, _, value in headers}


async def test_failures_are_listed_and_a_dead_one_can_be_delivered_again(
    open_house: House, server: WebServer
) -> None:
    ann = open_house.ann
    webhook = await made(ann, f"http://127.0.0.1:{server.port}/wrong/so")
    path = f"{HOOKS}/{webhook['id']}"
    await ann.post(f"{path}/test")

    (dead,) = await until(ann, webhook, over(1))
    server.pages["/wrong/so"] = b"better"
    again = await ann.post(f"{path}/deliveries/{dead['id']}/redeliver")
    (delivered,) = await until(ann, webhook, lambda found: found[0]["status"] == "succeeded")

    assert (dead["type"], dead["status"], len(dead["attempts"])) == ("ping", "dead", 10)
    assert {attempt["error"]["code"] for attempt in dead["attempts"]} == {"delivery_failed"}
    assert dead["attempts"][0]["error"]["detail"] == "The receiver answered 500: so"
    assert (again.status, again.json["id"]) == (202, dead["id"])
    assert len(delivered["attempts"]) == 11
    ids = {_request(request)[1]["webhook-id"] for request in server.requests}
    assert ids == {dead["message_id"]} == {delivered["message_id"]}


async def test_what_arrived_can_be_delivered_again_under_its_id(
    open_house: House, server: WebServer
) -> None:
    ann = open_house.ann
    webhook = await made(ann, f"http://127.0.0.1:{server.port}/took")
    path = f"{HOOKS}/{webhook['id']}"
    await ann.post(f"{path}/test")
    (first,) = await until(ann, webhook, over(1))

    again = await ann.post(f"{path}/deliveries/{first['id']}/redeliver")
    await until(ann, webhook, over(2))

    assert again.json["id"] != first["id"]
    assert again.json["message_id"] == first["message_id"]
    (one, _), (other, _) = map(_request, server.requests)
    assert one == other


async def test_a_delivery_to_another_webhook_is_not_found(house: House) -> None:
    mine, other = await made(house.ann), await made(house.ann)
    delivery = (await house.ann.post(f"{HOOKS}/{other['id']}/test")).json
    task = (await house.ann.post(TASKS, {"kind": "webhook", "payload": {"url": PUBLIC}})).json

    for id_ in (delivery["id"], task["id"], some_id()):
        path = f"{HOOKS}/{mine['id']}/deliveries/{id_}/redeliver"
        (await house.ann.post(path)).as_problem(404, "not_found")


async def test_a_gone_receiver_disables_until_its_owner_says_otherwise(
    open_house: House, server: WebServer
) -> None:
    ann = open_house.ann
    webhook = await made(ann, f"http://127.0.0.1:{server.port}/status/410")
    path = f"{HOOKS}/{webhook['id']}"
    delivery = (await ann.post(f"{path}/test")).json
    await until(ann, webhook, over(1))

    disabled = (await ann.get(path)).json
    refused = [
        await ann.post(f"{path}/test"),
        await ann.post(f"{path}/deliveries/{delivery['id']}/redeliver"),
    ]
    await open_house.chat(ann)
    enabled = (await ann.request("PATCH", path, json={"status": "active"})).json

    assert (disabled["status"], disabled["disabled_reason"]) == (
        *("disabled", "The receiver answered 410: it is gone."),
    )
    for answer in refused:
        answer.as_problem(409, "conflict")
    assert len(await deliveries(ann, webhook)) == 1
    assert (enabled["status"], enabled["disabled_at"]) == ("active", None)
    audit = (await open_house.root.get("/api/v1/audit")).json["items"]
    assert "webhook.disabled" in [entry["action"] for entry in audit]


async def test_it_can_be_put_to_rest_and_deleted(house: House) -> None:
    webhook = await made(house.ann)
    path = f"{HOOKS}/{webhook['id']}"

    rests = (
        await house.ann.request("PATCH", path, json={"status": "disabled", "events": ["task.dead"]})
    ).json
    gone = await house.ann.request("DELETE", path)

    assert (rests["status"], rests["events"]) == ("disabled", ["task.dead"])
    assert rests["disabled_reason"] == "It was asked for."
    assert gone.status == 204
    (await house.ann.get(path)).as_problem(404, "not_found")


async def test_a_new_secret_is_shown_once(house: House) -> None:
    webhook = await made(house.ann)

    rotated = await house.ann.post(f"{HOOKS}/{webhook['id']}/rotate")

    assert rotated.status == 200
    assert rotated.json["secret"] not in ("", webhook["secret"])
    assert "secret" not in (await house.ann.get(f"{HOOKS}/{webhook['id']}")).json


async def test_a_task_of_ones_own_is_sent(open_house: House, server: WebServer) -> None:
    ann = open_house.ann
    url = f"http://127.0.0.1:{server.port}/took"
    payload = {"url": url, "body": {"n": 1}, "headers": {"X-Mine": "yes"}}

    task = (await ann.post(TASKS, {"kind": "webhook", "payload": payload})).json
    async with asyncio.timeout(PATIENCE_S):
        while (seen := (await ann.get(f"{TASKS}/{task['id']}")).json)["status"] != "succeeded":
            await asyncio.sleep(0.02)

    body, headers = _request(server.requests[0])
    assert (body, headers["X-Mine"]) == (b'{"n":1}', "yes")
    assert (seen["result"], seen["webhook_id"]) == ({"status": 200}, None)
