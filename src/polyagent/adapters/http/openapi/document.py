"""The OpenAPI document, in agreement with what the server does.

The framework knows the routes; msgspec knows its own types better (unknown fields, unions, bounds).
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, License, Reference, SecurityScheme, Tag
from litestar.types import ControllerRouterHandler

from polyagent import __version__
from polyagent.adapters.http.call import Call
from polyagent.adapters.http.openapi.amendments import amend
from polyagent.adapters.http.openapi.components import components
from polyagent.adapters.http.openapi.examples import example
from polyagent.adapters.http.openapi.headers import HEADERS, always, referring
from polyagent.adapters.http.openapi.operation import Operation, operations
from polyagent.adapters.http.openapi.refusals import examples, refusals
from polyagent.adapters.http.openapi.tidy import SCHEMAS, page_names, tidied, without_null
from polyagent.adapters.http.openapi.words import DESCRIPTION, TAGS

Dependencies = Mapping[str, Provide]
Said = dict[str, Any]

VERSIONED = frozenset({"Agent", "Session", "Schedule", "Document"})
MERGE_PATCH = "application/merge-patch+json"
REQUEST_ID: Said = {
    "name": "X-Request-ID",
    "in": "header",
    "description": (
        "What the server calls this request in its log and its answer: 1 to 128 letters, digits, dots, "
        "dashes and underscores. It makes a name of its own in the place of any other."
    ),
    "required": False,
    "schema": {"type": "string"},
}
SECURITY_SCHEMES: dict[str, SecurityScheme | Reference] = {
    "bearer": SecurityScheme(
        type="http",
        scheme="bearer",
        description="An access token of POST /api/v1/users/login, or an API key.",
    ),
    "ticket": SecurityScheme(
        type="apiKey",
        name="ticket",
        security_scheme_in="query",
        description="Of POST /api/v1/tickets, good once: for an `EventSource`, which sends no header.",
    ),
}


class Document:
    """The document of an application with these routes and dependencies; made when it is first read."""

    def __init__(
        self, routes: Sequence[ControllerRouterHandler], dependencies: Dependencies
    ) -> None:
        self._routes = routes
        self._dependencies = dependencies

    @cached_property
    def json(self) -> bytes:
        return msgspec.json.encode(_document(self._described()))

    def _described(self) -> Litestar:
        """An application that serves nobody: the framework's pages load files from other hosts."""
        config = OpenAPIConfig(
            title="PolyAgent",
            version=__version__,
            summary="Agents whose runs survive whoever dies.",
            description=DESCRIPTION,
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            tags=[Tag(name=name, description=said) for name, said in TAGS.items()],
            use_handler_docstrings=True,
            components=Components(security_schemes=SECURITY_SCHEMES),
            security=[{"bearer": []}],
        )
        return Litestar(
            list(self._routes),
            dependencies=dict(self._dependencies),
            request_class=Call,
            openapi_config=config,
        )


def _document(app: Litestar) -> Said:
    encoded = page_names(msgspec.json.encode(app.openapi_schema.to_schema()).decode())
    doc: Said = msgspec.json.decode(encoded)
    doc["paths"] = dict(sorted(doc["paths"].items()))
    doc["components"]["schemas"] = components()
    doc["components"]["headers"] = HEADERS
    doc["components"]["examples"] = examples()
    found = list(operations(app, doc))
    for operation in found:
        _describe(operation)
    amend({operation.said["operationId"]: operation.said for operation in found})
    for operation in found:
        _finish(operation)
    return doc


def _describe(operation: Operation) -> None:
    """The first line of a handler's docstring sums it up."""
    said = operation.said
    del said["deprecated"]
    summary, _, rest = said.pop("description", "").partition("\n\n")
    said["summary"] = summary
    if rest:
        said["description"] = " ".join(rest.split())
    for parameter in said.setdefault("parameters", []):
        _tidy_parameter(parameter)
    said["parameters"].append(REQUEST_ID)
    if operation.permission == "public":
        said["security"] = []
    elif operation.handler.opt.get("takes_ticket"):
        said["security"] = [{"bearer": []}, {"ticket": []}]
    said["responses"] = {
        status: _succeeding(operation, status) for status in said["responses"] if status < "400"
    }


def _tidy_parameter(parameter: Said) -> None:
    del parameter["deprecated"]
    schema = without_null(tidied(parameter["schema"]))
    schema.pop("description", None)
    bounds = {key: int(schema[key]) for key in ("minimum", "maximum") if key in schema}
    parameter["schema"] = {**schema, **bounds}


def _succeeding(operation: Operation, status: str) -> Said:
    response = operation.said["responses"][status]
    names = always(operation.path)
    kind = _component_of(response)
    if kind in VERSIONED:
        names += ["ETag", *(["Location"] if status == "201" else [])]
    if "cursor" in operation.takes:
        names.append("Link")
    if "Idempotency-Key" in operation.takes:
        names.append("Idempotent-Replayed")
    response["headers"] = referring(names)
    return dict(response)


def _component_of(response: Said) -> str:
    content = response.get("content", {}).get("application/json", {})
    return str(content.get("schema", {}).get("$ref", "")).removeprefix(SCHEMAS)


def _finish(operation: Operation) -> None:
    said = operation.said
    if body := said.get("requestBody"):
        _exemplify(body)
        if operation.method == "PATCH":
            body["content"][MERGE_PATCH] = body["content"]["application/json"]
    for response in said["responses"].values():
        _exemplify(response)
    said["responses"] = {**dict(sorted(said["responses"].items())), **refusals(operation)}


def _exemplify(said: Said) -> None:
    """Give what has a named schema that schema's example."""
    for content in said.get("content", {}).values():
        name = content.get("schema", {}).get("$ref", "").removeprefix(SCHEMAS)
        if name and not content.keys() & {"example", "examples"}:
            content["example"] = example(name)
