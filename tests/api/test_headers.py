"""What browsers are told with every answer, whatever gives it."""

import pytest
from websockets.exceptions import InvalidStatus

from tests.api.house import SETTINGS, House
from tests.api.sockets import street

ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
ANSWERS = [
    *(("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/docs/assets/docs.js")),
    *(("GET", "/health"), ("GET", "/health/live"), ("GET", "/metrics"), ("GET", "/nowhere")),
    *(("GET", "/problems/not_found"), ("GET", "/api/v1/agents"), ("OPTIONS", "/api/v1/agents")),
    *(
        ("PUT", "/api/v1/agents"),
        ("GET", "/v1/models"),
        ("GET", "/%00"),
        ("GET", "/?" + "x" * 9000),
    ),
    *(("POST", "/api/v1/chat/stream"), ("POST", "/api/v1/users/login"), ("GET", "/ws")),
    ("HEAD", "/api/v1/users/profile"),
]


@pytest.mark.parametrize(("method", "path"), ANSWERS)
async def test_every_kind_of_answer_has_them(house: House, method: str, path: str) -> None:
    body = {"message": "hi"} if path.endswith("stream") else None

    answer = await house.ann.request(method, path, json=body)

    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "cache-control" in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v1/users/profile"), ("GET", "/api/v1/chat/sessions"), ("GET", "/api/v1/audit")],
)
async def test_what_is_somebodys_is_kept_by_no_cache(house: House, method: str, path: str) -> None:
    answer = await house.root.request(method, path)

    assert answer.headers["cache-control"] == "no-store"


async def test_a_defect_has_them_too(house: House) -> None:
    house.models.info = None  # type: ignore[assignment,method-assign]  # any defect will do

    answer = await house.chat(house.ann)

    assert answer.status == 500
    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS


async def test_a_socket_that_is_refused_has_them_too() -> None:
    async with street(SETTINGS) as town:
        with pytest.raises(InvalidStatus) as refused:
            async with town.talk(town.house.ann, headers={"Origin": "https://evil.example"}):
                pass

    headers = {name.lower(): value for name, value in refused.value.response.headers.raw_items()}
    assert {name: headers.get(name) for name in ALWAYS} == ALWAYS
    assert headers["cache-control"] == "no-store"
    assert len(headers["x-request-id"]) == 36


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "BREW"])
async def test_trace_and_methods_that_are_none_are_refused(house: House, method: str) -> None:
    answer = await house.ann.request(method, "/api/v1/agents")

    answer.as_problem(405, "method_not_allowed")


@pytest.mark.parametrize(
    ("path", "accept", "told"),
    [
        ("/docs", "*/*", "text/html; charset=utf-8"),
        ("/problems/not_found", "text/html", "text/html; charset=utf-8"),
        ("/api/v1/agents", "*/*", "application/json"),
        ("/nowhere", "*/*", "application/problem+json"),
    ],
)
async def test_answers_say_what_they_are(house: House, path: str, accept: str, told: str) -> None:
    answer = await house.ann.get(path, accept=accept)

    assert answer.headers["content-type"] == told
