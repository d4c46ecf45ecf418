"""The OpenAPI document, in agreement with what the server does.

The framework knows the routes; msgspec knows its own types better (unknown fields, unions, bounds).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec
from litestar import Litestar
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from polyagent import __version__
from polyagent.adapters.http.call import Call
from polyagent.adapters.http.errors import PROBLEM, Problem
from polyagent.adapters.http.front.errors import JSON
from polyagent.adapters.http.front.routes import FrontController
from polyagent.adapters.http.front.wire import (
    CompletionRequest,
    CompletionResponse,
    ErrorAnswer,
    ModelOffer,
    ModelOffers,
)
from polyagent.adapters.http.routes.health import Alive
from polyagent.adapters.http.routes.problems import ProblemKind
from polyagent.domain import event
from polyagent.domain.account import (
    Login,
    NewUser,
    PatchProfile,
    PatchUser,
    PutProfile,
    Refresh,
    Registration,
    Tokens,
    User,
)
from polyagent.domain.agent import Agent, NewAgent
from polyagent.domain.api_key import ApiKey, MadeApiKey, NewApiKey
from polyagent.domain.audit import AuditEntry
from polyagent.domain.chat import Ask, ForkSession, Message, PatchSession, Session
from polyagent.domain.health import Health
from polyagent.domain.page import Page
from polyagent.domain.run import Answer, Run
from polyagent.domain.ticket import NewTicket, Ticket
from polyagent.domain.tool import Executed, ExecuteTool, Tool
from polyagent.domain.usage import UsageReport

Dependencies = Mapping[str, Provide]

SCHEMAS = "#/components/schemas/"
DESCRIPTION = """Chat, agents and tools over any model service, whose runs survive whoever dies.

Log in, then give the token back as `Authorization: Bearer <token>`. Errors are problems (RFC 9457)
with a stable `code`; `/problems/<code>` says what to do.
"""
TYPES = (
    *(Problem, ProblemKind, Alive, Health, Login, NewUser, Tokens, User, Agent, NewAgent),
    *(Ask, Answer, ForkSession, Message, PatchSession, Session, Run, Executed, ExecuteTool, Tool),
    *(NewTicket, Ticket, Registration, Refresh, PatchProfile, PutProfile, PatchUser),
    *(NewApiKey, ApiKey, MadeApiKey, Page[ApiKey], AuditEntry, Page[AuditEntry]),
    *(CompletionRequest, CompletionResponse, ModelOffer, ModelOffers, ErrorAnswer),
    *(Page[User], Page[Agent], Page[Session], Page[Message], Page[Run], Page[Tool]),
    UsageReport,
    event.EventBody,
)
EVENTS: dict[str, Any] = {
    "type": "string",
    "description": "Frames of `id`, `event` and `data`; `data` is an Event as JSON.",
}
EVENT_PAGE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"$ref": f"{SCHEMAS}Event"}},
        "next_after": {"type": "integer"},
        "ended": {"type": "boolean"},
    },
    "required": ["items", "next_after", "ended"],
}
TRUNCATED: dict[str, Any] = {
    "type": "boolean",
    "description": "Its longest texts were cut: the whole is in the session's messages.",
}
TICKET: dict[str, Any] = {
    "name": "ticket",
    "in": "query",
    "description": "In the place of the header, which an `EventSource` cannot send.",
    "schema": {"type": "string"},
}
TICKET_EXAMPLES = {
    "socket": {"value": {"for": "/ws"}},
    "session": {"value": {"for": "/ws/chat/01990000-0000-7000-8000-000000000000"}},
    "run": {"value": {"for": "/api/v1/runs/01990000-0000-7000-8000-000000000000/events"}},
}
CHAT_EXAMPLE = {"message": "What is 17 * 23?", "agent_type": "general"}
COMPLETION_EXAMPLE = {
    "model": "agent/general",
    "messages": [{"role": "user", "content": "What is 17 * 23?"}],
}
CHUNKS: dict[str, Any] = {
    "type": "string",
    "description": "Frames of `data`, each a `chat.completion.chunk` as JSON; the last is `[DONE]`.",
}
_PAGE = re.compile(rb"Page_(?:\w+\.)*(\w+)_")


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
            description=DESCRIPTION,
            use_handler_docstrings=True,
            components=Components(
                security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer")}
            ),
            security=[{"bearer": []}],
        )
        return Litestar(
            list(self._routes),
            dependencies=dict(self._dependencies),
            request_class=Call,
            openapi_config=config,
        )


def _document(app: Litestar) -> dict[str, Any]:
    encoded = msgspec.json.encode(app.openapi_schema.to_schema())
    doc: dict[str, Any] = msgspec.json.decode(_PAGE.sub(rb"Page_\1_", encoded))
    doc["components"]["schemas"] = _schemas()
    for operation, permission in _operations(app, doc):
        _describe(operation)
        if operation["tags"] == [*FrontController.tags]:
            _with_errors(operation, JSON, ErrorAnswer)
        else:
            _with_errors(operation, PROBLEM, Problem)
        if permission == "public":
            operation["security"] = []
    _amend({op["operationId"]: op for op, _ in _operations(app, doc)})
    return doc


def _operations(app: Litestar, doc: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute) and route.path_format in doc["paths"]:
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    operation = doc["paths"][route.path_format].get(method.lower())
                    if operation is not None:
                        yield operation, handler.opt["permission"]


def _schemas() -> dict[str, Any]:
    return {**_components(TYPES), "Event": _event()}


def _components(kinds: tuple[Any, ...]) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(kinds, ref_template=SCHEMAS + "{name}")
    return schemas


def _event() -> dict[str, Any]:
    """An event is its envelope and one of the bodies in one object."""
    fields = _components((event.Event,))["Event"]["properties"]
    bodies = fields.pop("body")
    return {
        "description": "What happened in a run; `type` says what.",
        "type": "object",
        "properties": {**fields, "truncated": TRUNCATED},
        "required": list(fields),
        **{key: bodies[key] for key in ("anyOf", "discriminator") if key in bodies},
    }


def _describe(operation: dict[str, Any]) -> None:
    """The first line of a handler's docstring sums it up."""
    summary, _, rest = operation.pop("description", "").partition("\n\n")
    operation["summary"] = summary
    if rest:
        operation["description"] = " ".join(rest.split())


def _with_errors(operation: dict[str, Any], media_type: str, kind: type[Any]) -> None:
    responses = {
        status: response for status, response in operation["responses"].items() if status < "400"
    }
    problem = {"schema": {"$ref": f"{SCHEMAS}{kind.__name__}"}}
    responses["default"] = {"description": "A problem", "content": {media_type: problem}}
    operation["responses"] = responses


def _amend(operations: dict[str, dict[str, Any]]) -> None:
    """Say what handlers' types cannot."""
    chat, stream, patch = (
        operations[name] for name in ("send_chat", "stream_chat", "update_agent")
    )
    for operation in (chat, stream, operations["create_run"]):
        operation["requestBody"]["content"]["application/json"]["example"] = CHAT_EXAMPLE
    stream["responses"]["200"]["content"] = {"text/event-stream": {"schema": EVENTS}}
    chat["responses"]["202"] = {
        "description": "It goes on: what there is so far, and `Location`",
        "content": dict(chat["responses"]["200"]["content"]),
    }
    chat["responses"]["200"]["content"]["text/event-stream"] = {"schema": EVENTS}
    completed = operations["complete_chat"]
    completed["requestBody"]["content"]["application/json"]["example"] = COMPLETION_EXAMPLE
    completed["responses"]["200"]["content"]["text/event-stream"] = {"schema": CHUNKS}
    made = operations["create_ticket"]["requestBody"]["content"]["application/json"]
    made["examples"] = TICKET_EXAMPLES
    operations["list_run_events"]["parameters"].append(TICKET)
    followed = operations["list_run_events"]["responses"]
    followed["200"]["content"] = {
        "text/event-stream": {"schema": EVENTS},
        "application/json": {"schema": EVENT_PAGE},
    }
    followed["204"] = {"description": "Nothing is left of a run that has ended"}
    body = {"schema": _merge_patch(NewAgent)}
    patch["requestBody"]["content"] = {
        "application/json": body,
        "application/merge-patch+json": body,
    }


def _merge_patch(kind: type[Any]) -> dict[str, Any]:
    """Every field may be left out, and null clears."""
    fields = _components((kind,))[kind.__name__]["properties"]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"anyOf": [field, {"type": "null"}]} for name, field in fields.items()
        },
    }
