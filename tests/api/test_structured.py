"""`response_format` at the door, and what comes of it."""

from typing import Any

import pytest

from polyagent.adapters.memory.models import said
from tests.api.house import House

AT = "#/response_format/json_schema/schema"


def of(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "it", "schema": schema, **more}}


def nested(levels: int) -> Any:
    schema: Any = {}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


BOMB = {
    "$ref": "#/$defs/n20",
    "$defs": {"n0": {}}
    | {f"n{n}": {"allOf": [{"$ref": f"#/$defs/n{n - 1}"}] * 2} for n in range(1, 21)},
}


@pytest.mark.parametrize(
    ("response_format", "pointer"),
    [
        ({"type": "xml"}, "#/response_format/type"),
        ({}, "#/response_format/type"),
        ({"type": "object", "properties": {}}, "#/response_format/type"),
        ("json_object", "#/response_format"),
        ({"type": "json_object", "schema": {}}, "#/response_format/schema"),
        ({"type": "json_schema"}, "#/response_format/json_schema"),
        (
            {"type": "json_schema", "json_schema": {"schema": {}}},
            "#/response_format/json_schema/name",
        ),
        (of({}, name="a b"), "#/response_format/json_schema/name"),
        (of({}, strict="yes"), "#/response_format/json_schema/strict"),
        (of([]), AT),
        (of(True), AT),
        (of({"type": "strin"}), f"{AT}/type"),
        (of({"properties": {"a/b": {"required": "x"}}}), f"{AT}/properties/a~1b/required"),
        (of({"properties": {"a": {"pattern": "("}}}), f"{AT}/properties/a/pattern"),
        (of({"pattern": "(?=a)b"}), f"{AT}/pattern"),
        (of({"pattern": "((a{100}){100}){100}"}), f"{AT}/pattern"),
        (of({"$ref": "http://127.0.0.1:9/schema"}), f"{AT}/$ref"),
        (of({"$ref": "file:///etc/passwd"}), f"{AT}/$ref"),
        (of({"$ref": "other.json"}), f"{AT}/$ref"),
        (of({"$ref": "#/$defs/absent"}), AT),
        (of({"$schema": "http://127.0.0.1:9/draft"}), f"{AT}/$schema"),
        (of({"$schema": 7}), f"{AT}/$schema"),
        (of({"items": {"$id": "http://127.0.0.1:9/"}}), f"{AT}/items/$id"),
        (of({"$dynamicRef": "#it"}), f"{AT}/$dynamicRef"),
        (of(nested(50)), AT),
        (of({"description": "x" * 70_000}), AT),
        (of(BOMB), AT),
        (of({"anyOf": [{}] * 6_000}), AT),
    ],
)
async def test_what_is_no_form_is_pointed_at(
    house: House, response_format: Any, pointer: str
) -> None:
    answer = await house.chat(house.ann, response_format=response_format)

    problem = answer.as_problem(400, "invalid_request")
    assert problem["errors"][0]["pointer"] == pointer
    assert house.models.prompts == []


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}},
        {"$id": "https://example.org/it", "$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}},
        {"properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}},
        {"properties": {"next": {"$ref": "#"}}},
    ],
)
async def test_these_are_forms(house: House, schema: Any) -> None:
    house.models.scripts.append(said('{"a": 1}'))

    answer = await house.chat(house.ann, response_format=of(schema, strict=None))

    assert (answer.status, answer.json["status"]) == (200, "completed")


async def test_an_answer_of_another_form_fails_the_run_and_is_told(house: House) -> None:
    house.models.scripts += [said("no")] * 3

    answer = await house.chat(house.ann, response_format={"type": "json_object"})

    assert answer.status == 200
    assert answer.json["status"] == "failed"
    assert answer.json["error"]["code"] == "response_format_violated"
    assert answer.json["message"]["content"] == "no"
    assert answer.json["message"]["incomplete"]
    assert answer.json["usage"]["output_tokens"] == 3
