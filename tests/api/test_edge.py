"""What every request passes, and bad input: the documented error, and a server that goes on."""

import asyncio
import json
from typing import Any

import pytest

from polyagent.adapters.http.edge.intake import Intake
from tests.api.house import House, lived_in, some_id

AGENTS = "/api/v1/agents"


@pytest.fixture(autouse=True)
async def _goes_on(house: House) -> Any:
    yield
    assert (await house.chat(house.ann)).status == 200


@pytest.mark.parametrize("given", ["abc", "A-1.b_2", "x" * 128])
async def test_a_sane_request_id_is_echoed(house: House, given: str) -> None:
    answer = await house.nobody.get("/nowhere", x_request_id=given)

    assert answer.headers["x-request-id"] == given
    assert answer.json["request_id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a/b", "é", "<script>"])
async def test_any_other_is_replaced(house: House, given: str) -> None:
    answer = await house.nobody.get("/health/live", x_request_id=given)

    assert answer.headers["x-request-id"] != given
    assert len(answer.headers["x-request-id"]) == 36


async def test_every_answer_has_the_headers_of_the_house(house: House) -> None:
    for method, path in (
        ("GET", "/health"),
        ("GET", "/nowhere"),
        ("OPTIONS", AGENTS),
        ("PUT", AGENTS),
    ):
        answer = await house.ann.request(method, path)

        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-request-id"]


async def test_methods_of_an_address_are_told(house: House) -> None:
    wrong = await house.ann.request("PUT", AGENTS)
    options = await house.nobody.request("OPTIONS", AGENTS)

    of_one = await house.nobody.request("OPTIONS", f"{AGENTS}/{some_id()}")

    wrong.as_problem(405, "method_not_allowed")
    assert of_one.headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"
    assert wrong.headers["allow"] == options.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert options.status == 204


async def test_head_is_get_without_its_body(house: House) -> None:
    head = await house.ann.request("HEAD", AGENTS)
    get = await house.ann.get(AGENTS)

    assert head.status == 200
    assert head.body == b""
    assert head.headers["content-length"] == get.headers["content-length"]


BAD = [
    (b"", 400),
    (b"{", 400),
    (b"{'name': 'x'}", 400),
    (b'{"name": NaN}', 400),
    (b'{"name": "x"} trailing', 400),
    (b'{"name": "\x00"}', 400),
    (b'{"name": "\\u0000"}', 400),
    (b'{"name": "x", "metadata": {"\\u0000": 1}}', 400),
    (b'{"name": "\\ud800"}', 400),
    (b'{"name": "\\udc00\\ud800"}', 400),
    (b'{"name": "\xed\xa0\x80"}', 400),
    (b'{"name": "\xff\xfe"}', 400),
    (b'\xff\xfe{\x00"\x00n\x00', 400),
    (b'{"name": "x", "metadata": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}", 400),
    (b'{"name": "x", "metadata": {"a": ' + b'{"a":' * 70 + b"1" + b"}" * 70 + b"}}", 400),
    (b"[" * 100_000, 400),
    (b'{"name": "' + b'\\"' * 300_000 + b"[" * 100, 400),
    (b'{"name": "' + b'\\"' * 300_000 + b"[" * 100 + b"\\", 400),
    (b'"' * 600_001 + b"[" * 100, 400),
    (b'{"name": 7}', 400),
    (b'{"name": ["x"]}', 400),
    (b"null", 400),
    (b'"name"', 400),
    (b'{"name": "x", "owner_id": "me"}', 400),
    (b'{"name": "x", "metadata": {"big": 1' + b"0" * 5000 + b"}}", 400),
    (b'{"name": "x", "metadata": {"big": 1e999}}', 400),
    (b'{"name": "\\\\u0000"}', 201),
    (b'{"name": "x", "metadata": {"a": [' + b"{}," * 200 + b"[]]}}", 201),
    (b'{"name": "x", "metadata": {"a": "' + b"[" * 100 + b'"}}', 201),
    (b'{"name": "first", "name": "\xf0\x9f\x98\x80"}', 201),
]


@pytest.mark.parametrize(("body", "status"), BAD)
async def test_bad_bodies(house: House, body: bytes, status: int) -> None:
    answer = await house.ann.request(
        "POST", AGENTS, content=body, headers={"content_type": "application/json"}
    )

    assert answer.status == status, answer.body
    if status == 400:
        answer.as_problem(400, "invalid_request")


async def test_a_body_that_is_missing_is_named(house: House) -> None:
    answer = await house.ann.request("POST", AGENTS)

    assert answer.as_problem(400, "invalid_request")["detail"] == "The body is missing: send JSON."


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x", "limits": {"max_steps": 0}}, "#/limits/max_steps"),
        ({"name": "x", "tools": ["a", 1]}, "#/tools/1"),
        ({"name": "x", "approval": {"look": "maybe"}}, "#/approval"),
        ({"name": "x", "a/b~c": 1}, "#/a~1b~0c"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_is_wrong_in_a_body_is_pointed_at(
    house: House, method: str, body: dict[str, Any], pointer: str
) -> None:
    agent = (await house.ann.post(AGENTS, {"name": "to be changed"})).json
    path = AGENTS if method == "POST" else f"{AGENTS}/{agent['id']}"

    problem = (await house.ann.request(method, path, json=body)).as_problem(400, "invalid_request")

    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize("path", ["/api/v1/agents?cursor=%00", "/%00", "/api/v1/agents/%00"])
async def test_nul_in_an_address_is_refused(house: House, path: str) -> None:
    answer = await house.ann.get(path)

    answer.as_problem(400, "invalid_request")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"]
)
async def test_what_is_no_json_is_refused(house: House, content_type: str) -> None:
    answer = await house.ann.request(
        "POST", AGENTS, content=b'{"name": "x"}', headers={"content_type": content_type}
    )

    answer.as_problem(415, "unsupported_media_type")


async def test_a_body_in_a_coding_is_refused(house: House) -> None:
    for coding, status in (("gzip", 415), ("identity", 201)):
        answer = await house.ann.request(
            "POST", AGENTS, content=b'{"name": "x"}', headers={"content_encoding": coding}
        )

        assert answer.status == status


async def test_two_keys_of_one_request_are_refused(house: House) -> None:
    answer = await house.ann.request(
        "POST",
        AGENTS,
        json={"name": "x"},
        also=(("Idempotency-Key", "one"), ("Idempotency-Key", "two")),
    )

    assert "once" in answer.as_problem(400, "invalid_request")["detail"]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", ""]
)
async def test_json_may_be_called_so_in_many_ways(house: House, content_type: str) -> None:
    answer = await house.ann.request(
        "POST", AGENTS, content=b'{"name": "x"}', headers={"content_type": content_type}
    )

    assert answer.status == 201


async def test_a_body_over_the_limit_is_refused_by_its_announcement_and_by_its_bytes(
    house: House,
) -> None:
    announced = await house.ann.request(
        "POST", AGENTS, content=b"{}", headers={"content_length": "41943040"}
    )
    chunks = [b" " * 1_000_000] * 3
    streamed = await house.ann.request(
        "POST", AGENTS, content=chunks, headers={"transfer_encoding": "chunked"}
    )
    truthful = await house.ann.request("POST", AGENTS, content=chunks)

    for answer in (announced, streamed, truthful):
        answer.as_problem(413, "too_large")


async def test_a_chat_may_be_longer_than_other_bodies(house: House) -> None:
    body = json.dumps({"message": "x" * 1_500_000}).encode()

    chat = await house.ann.request("POST", "/api/v1/chat", content=body)
    agent = await house.ann.request("POST", AGENTS, content=body)
    far_too_long = await house.ann.request("POST", "/api/v1/chat", content=body * 4)

    assert chat.status == 200
    agent.as_problem(413, "too_large")
    far_too_long.as_problem(413, "too_large")


async def test_a_body_that_never_ends_is_given_up() -> None:
    async def silent() -> Any:
        await asyncio.Event().wait()

    async with lived_in(read_timeout=0.01) as house:
        scope = house.ann._scope("POST", AGENTS, [("content-type", "application/json")], 10)
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await house.app(scope, silent, send)  # type: ignore[arg-type]  # plain dicts

    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["code"] == "request_timeout"


async def test_what_nobody_reads_is_thrown_away_before_the_answer(house: House) -> None:
    chunks = [b"x" * 100_000] * 20

    answer = await house.nobody.request("POST", AGENTS, content=chunks)

    answer.as_problem(401, "unauthenticated")


async def test_a_client_that_waits_for_consent_is_not_waited_for() -> None:
    async def silent() -> Any:
        raise AssertionError("nobody was to read")

    scope: Any = {"path": "/api/v1/chat", "headers": [(b"expect", b"100-continue")]}

    await Intake(scope, silent, read_timeout_s=30).discard()


async def test_a_defect_is_told_without_its_secrets(house: House) -> None:
    house.models.info = None  # type: ignore[assignment,method-assign]  # any defect will do

    answer = await house.chat(house.ann)

    problem = answer.as_problem(500, "internal_error")
    assert "NoneType" not in answer.body.decode()
    assert problem["detail"] == "Something went wrong on the server."
    del house.models.info
