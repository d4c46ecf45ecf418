"""What the document does not say is found wherever a test sees it."""

from typing import Any

import pytest

from tests.api.client import Answer
from tests.api.documented import Documented, document_of
from tests.api.house import House

RUNS = "/api/v1/runs"


@pytest.fixture
def document(house: House) -> Any:
    return document_of(house.app)


async def test_a_status_that_is_not_described_is_found(house: House, document: Any) -> None:
    answer = await house.ann.get(f"{RUNS}/{'0' * 8}-0000-7000-8000-{'0' * 12}")
    operation = document["paths"]["/api/v1/runs/{run_id}"]["get"]

    del operation["responses"]["404"]

    with pytest.raises(AssertionError, match="get_run 404 is not documented"):
        _check(document, "GET", f"{RUNS}/x", answer)


async def test_a_code_that_is_not_described_is_found(house: House, document: Any) -> None:
    answer = await house.ann.get(f"{RUNS}?cursor=nonsense")
    response = document["paths"][RUNS]["get"]["responses"]["400"]

    del response["content"]["application/problem+json"]["examples"]["cursor_invalid"]

    with pytest.raises(AssertionError, match="cursor_invalid"):
        _check(document, "GET", RUNS, answer)


async def test_a_body_that_is_described_otherwise_is_found(house: House, document: Any) -> None:
    answer = await house.ann.get("/api/v1/users/profile")

    document["components"]["schemas"]["User"]["properties"]["email"]["type"] = "integer"

    with pytest.raises(AssertionError, match="email"):
        _check(document, "GET", "/api/v1/users/profile", answer)


async def test_headers_that_are_described_otherwise_are_found(house: House, document: Any) -> None:
    answer = await house.ann.get("/api/v1/users/profile")
    headers = document["paths"]["/api/v1/users/profile"]["get"]["responses"]["200"]["headers"]

    told = headers.pop("RateLimit")
    with pytest.raises(AssertionError, match="get_profile 200"):
        _check(document, "GET", "/api/v1/users/profile", answer)
    headers |= {"RateLimit": told, "Location": {"$ref": "#/components/headers/Location"}}
    with pytest.raises(AssertionError, match="get_profile 200"):
        _check(document, "GET", "/api/v1/users/profile", answer)


async def test_a_request_that_is_taken_but_described_otherwise_is_found(document: Any) -> None:
    with pytest.raises(AssertionError, match="the body of send_chat"):
        Documented(document).check_request(
            "POST", "/api/v1/chat", 200, b'{"message": "hi", "x": 1}'
        )


def _check(document: Any, method: str, path: str, answer: Answer) -> None:
    documented = Documented(document)
    documented.check_head(method, path, answer.status, answer.headers)
    documented.check_answer(method, path, answer.status, answer.headers, answer.body)
