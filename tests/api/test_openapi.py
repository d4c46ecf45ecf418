import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
from litestar.routes import HTTPRoute
from openapi_spec_validator import OpenAPIV31SpecValidator

from polyagent.domain.event import EventBody
from tests.api.house import House

DRAFT = "https://json-schema.org/draft/2020-12/schema"
HOSTS = re.compile(rb"""(?:src|href)=["'](?!/docs/|/asyncapi\.json|data:)""")


async def test_the_document_describes_every_route_of_the_contract(house: House) -> None:
    doc = (await house.nobody.get("/openapi.json")).json

    described = {
        (path, method.upper()) for path, methods in doc["paths"].items() for method in methods
    }
    served = {
        (route.path_format, method)
        for route in house.app.routes
        if isinstance(route, HTTPRoute)
        and not route.path.startswith(("/docs", "/openapi", "/asyncapi"))
        for method in route.methods - {"OPTIONS"}
    }
    assert doc["openapi"].startswith("3.1")
    assert described == served


async def test_the_document_is_valid(house: House) -> None:
    doc = (await house.nobody.get("/openapi.json")).json

    faults = list(OpenAPIV31SpecValidator(doc).iter_errors())

    assert not faults
    for schema in doc["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": DRAFT, **schema})


async def test_examples_are_of_their_schemas(house: House) -> None:
    doc = (await house.nobody.get("/openapi.json")).json
    bodies = [
        (name, content)
        for operation in _operations(doc)
        for name, content in _contents(operation)
        if name.endswith("json")
    ]

    for _, content in bodies:
        values = _examples(doc, content)
        assert values, content
        whole = {**content["schema"], "components": {"schemas": doc["components"]["schemas"]}}
        validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
        for value in values:
            validator.validate(value)


async def test_errors_of_an_operation_are_derived_and_declared(house: House) -> None:
    doc = (await house.nobody.get("/openapi.json")).json
    replaced = doc["paths"]["/api/v1/agents/{agent_id}"]["put"]["responses"]
    seen = doc["paths"]["/health/live"]["get"]["responses"]

    codes = {
        status: set(_content(replaced[status])["examples"]) for status in replaced if status > "4"
    }

    assert codes["401"] == {"unauthenticated", "token_expired"}
    assert codes["403"] == {"forbidden", "scope_missing"}
    assert codes["404"] == {"not_found"}
    assert codes["409"] == {"name_taken", "conflict"}
    assert codes["412"] == {"precondition_failed"}
    assert codes["422"] == {"tool_unknown", "model_unknown", "not_supported"}
    assert codes.keys() >= {"400", "408", "413", "414", "415", "429", "431", "503", "default"}
    assert seen.keys() == {"200", "400", "414", "431", "default"}
    assert set(replaced["401"]["headers"]) >= {"WWW-Authenticate", "X-Request-ID"}
    assert set(replaced["429"]["headers"]) >= {"Retry-After", "RateLimit"}
    assert "ETag" in replaced["200"]["headers"]


async def test_what_comes_later_is_not_described(house: House) -> None:
    doc = (await house.nobody.get("/openapi.json")).json

    policies = doc["components"]["schemas"]["Ask"]["properties"]["policy"]["enum"]

    assert policies == ["enqueue", "reject"]


async def test_a_ticket_stands_for_the_header_on_the_events_alone(house: House) -> None:
    doc = (await house.nobody.get("/openapi.json")).json

    taking = [
        operation["operationId"]
        for operation in _operations(doc)
        if {"ticket": []} in operation.get("security", ())
    ]

    assert taking == ["list_run_events"]


async def test_operations_have_names_summaries_tags_and_problems(house: House) -> None:
    doc = (await house.nobody.get("/openapi.json")).json
    operations = list(_operations(doc))
    own = [op for op in operations if op["tags"] != ["OpenAI"]]
    fronts = [op for op in operations if op["tags"] == ["OpenAI"]]

    names = [op["operationId"] for op in operations]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert all(op["summary"] and op["tags"] for op in operations)
    assert all(op["responses"]["default"]["content"]["application/problem+json"] for op in own)
    schemas = [_content(op["responses"]["default"])["schema"]["$ref"] for op in fronts]
    assert schemas == 3 * ["#/components/schemas/ErrorAnswer"]
    assert {tag["name"] for tag in doc["tags"]} == {tag for op in operations for tag in op["tags"]}
    assert all(tag["description"] for tag in doc["tags"])


async def test_every_reference_leads_somewhere(house: House) -> None:
    doc = (await house.nobody.get("/openapi.json")).json

    for reference in _references(doc):
        at: Any = doc
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]
        assert at


async def test_bodies_refuse_unknown_fields_and_events_have_schemas(house: House) -> None:
    doc = (await house.nobody.get("/openapi.json")).json
    schemas = doc["components"]["schemas"]

    assert schemas["Ask"]["additionalProperties"] is False
    assert schemas["NewAgent"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Agent"]
    assert "additionalProperties" not in schemas["ModelSettings"]
    assert schemas["ModelSettingsInput"]["additionalProperties"] is False
    assert len(schemas["Event"]["oneOf"]) == len(EventBody.__args__)
    assert schemas["Event"]["discriminator"]["propertyName"] == "type"
    assert set(schemas["MessageDelta"]["required"]) >= {
        "id",
        "run_id",
        "path",
        "at",
        "type",
        "text",
    }
    assert schemas["Run"]["properties"]["started_at"] == {
        "type": ["string", "null"],
        "format": "date-time",
    }
    assert doc["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert doc["paths"]["/api/v1/users/login"]["post"]["security"] == []


async def test_the_docs_contact_no_other_host(house: House) -> None:
    page = await house.nobody.get("/docs")

    files = re.findall(rb'(?:src|href)="(/docs/[^"]+)"', page.body)
    assert not HOSTS.search(page.body)
    assert b"<script>" not in page.body
    assert b" style=" not in page.body
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert len(files) == 4
    for file in files:
        answer = await house.nobody.get(file.decode())
        assert answer.status == 200
        assert answer.headers["cache-control"] == "max-age=3600"


async def test_the_docs_serve_their_own_files_only(house: House) -> None:
    for path in ("/docs/assets/../app.py", "/docs/assets/..%2Fapp.py", "/docs/assets/nothing.js"):
        answer = await house.nobody.get(path)

        answer.as_problem(404, "not_found")


def _operations(doc: Any) -> Iterator[Any]:
    return (op for methods in doc["paths"].values() for op in methods.values())


def _contents(operation: Any) -> Iterator[tuple[str, Any]]:
    said = [operation.get("requestBody", {}), *operation["responses"].values()]
    return (item for each in said for item in each.get("content", {}).items())


def _content(response: Any) -> Any:
    (content,) = response["content"].values()
    return content


def _examples(doc: Any, content: Any) -> list[Any]:
    if "example" in content:
        return [content["example"]]
    named = doc["components"]["examples"]
    return [
        named[each["$ref"].rpartition("/")[2]]["value"] if "$ref" in each else each["value"]
        for each in content.get("examples", {}).values()
    ]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        mapped = [v for v in value.get("mapping", {}).values() if isinstance(v, str)]
        return own + mapped + [ref for item in value.values() for ref in _references(item)]
    if isinstance(value, list):
        return [ref for item in value for ref in _references(item)]
    return []
