import re
from typing import Any

from litestar.routes import HTTPRoute

from polyagent.domain.event import EventBody
from tests.api.house import House

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


async def test_operations_have_names_summaries_tags_and_problems(house: House) -> None:
    doc = (await house.nobody.get("/openapi.json")).json
    operations = [op for methods in doc["paths"].values() for op in methods.values()]
    own = [op for op in operations if op["tags"] != ["OpenAI"]]
    fronts = [op for op in operations if op["tags"] == ["OpenAI"]]

    names = [op["operationId"] for op in operations]

    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)
    assert all(op["summary"] and op["tags"] for op in operations)
    assert all(op["responses"]["default"]["content"]["application/problem+json"] for op in own)
    assert [op["responses"]["default"]["content"] for op in fronts] == 3 * [
        {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
    ]


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
    assert len(schemas["Event"]["anyOf"]) == len(EventBody.__args__)
    assert doc["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert doc["paths"]["/api/v1/users/login"]["post"]["security"] == []


async def test_the_docs_contact_no_other_host(house: House) -> None:
    page = await house.nobody.get("/docs")

    files = re.findall(rb'(?:src|href)="(/docs/[^"]+)"', page.body)
    assert not HOSTS.search(page.body)
    assert b"<script>" not in page.body
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert len(files) == 3
    for file in files:
        answer = await house.nobody.get(file.decode())
        assert answer.status == 200
        assert answer.headers["cache-control"] == "max-age=3600"


async def test_the_docs_serve_their_own_files_only(house: House) -> None:
    for path in ("/docs/assets/../app.py", "/docs/assets/..%2Fapp.py", "/docs/assets/nothing.js"):
        answer = await house.nobody.get(path)

        answer.as_problem(404, "not_found")


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        mapped = [v for v in value.get("mapping", {}).values() if isinstance(v, str)]
        return own + mapped + [ref for item in value.values() for ref in _references(item)]
    if isinstance(value, list):
        return [ref for item in value for ref in _references(item)]
    return []
