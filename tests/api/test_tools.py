import json
from typing import Any, NoReturn

import pytest

from tests.api.house import House


async def test_tools_are_listed_and_read(house: House) -> None:
    listed = await house.vic.get("/api/v1/tools")
    read = await house.vic.get("/api/v1/tools/calculator")

    names = {tool["name"] for tool in listed.json["items"]}
    assert {"calculator", "current_time", "code_analyzer", "git_helper", "web_search"} <= names
    assert listed.json["next_cursor"] is None
    assert set(read.json) == {
        *("name", "description", "parameters", "category", "effect", "source"),
        *("available", "unavailable_reason"),
    }


async def test_a_tool_that_is_none_is_not_found_by_address_and_unknown_by_name(
    house: House,
) -> None:
    read = await house.ann.get("/api/v1/tools/drill")
    called = await house.ann.post("/api/v1/tools/execute", {"name": "drill", "arguments": {}})

    read.as_problem(404, "not_found")
    called.as_problem(422, "tool_unknown")


async def test_a_tool_is_called_by_hand(house: House) -> None:
    answer = await house.ann.post(
        "/api/v1/tools/execute", {"name": "calculator", "arguments": {"expression": "17*23"}}
    )

    assert answer.status == 200
    assert set(answer.json) == {"state", "result", "error", "duration_ms"}
    assert answer.json["state"] == "done"
    assert "391" in json.dumps(answer.json["result"])


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"expression": 7},
        {"expression": "1e308*10-1e308*10"},
        {"expression": "2**20000"},
        {"expression": "10**15000"},
        {"expression": "__import__('os')"},
        {"nonsense": True},
    ],
)
async def test_what_a_call_gets_wrong_is_a_failed_answer_in_strict_json(
    house: House, arguments: dict[str, Any]
) -> None:
    answer = await house.ann.post(
        "/api/v1/tools/execute", {"name": "calculator", "arguments": arguments}
    )

    assert answer.status == 200
    assert json.loads(answer.body, parse_constant=_refuse)["state"] in {"failed", "done"}


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(constant)
