"""The named schemas: of what clients send, exactly what is taken; of what they get, what is always there."""

from collections.abc import Iterator
from typing import Any, get_origin

import msgspec

from polyagent.adapters.http.errors import Problem
from polyagent.adapters.http.front.wire import (
    CompletionRequest,
    CompletionResponse,
    ErrorAnswer,
    ModelOffer,
    ModelOffers,
)
from polyagent.adapters.http.openapi.tidy import (
    SCHEMAS,
    Schema,
    in_words_of_clients,
    or_null,
    page_names,
    references,
    renamed,
    tidied,
)
from polyagent.adapters.http.openapi.words import FIELDS, LATER
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
from polyagent.domain.documents.document import Chunk, Document, IndexAgain
from polyagent.domain.documents.retrieval import FoundPassages, SearchDocuments
from polyagent.domain.health import Health
from polyagent.domain.page import Page
from polyagent.domain.run import Answer, Run
from polyagent.domain.schedule import NewSchedule, Schedule
from polyagent.domain.task import NewTask, Task, TaskAsk, TaskStats
from polyagent.domain.ticket import NewTicket, Ticket
from polyagent.domain.tool import Executed, ExecuteTool, Tool
from polyagent.domain.usage import UsageReport
from polyagent.domain.webhook import Delivery, MadeWebhook, NewWebhook, PatchWebhook, Webhook

ASKS: tuple[Any, ...] = (
    *(Login, Registration, Refresh, NewUser, PatchProfile, PutProfile, PatchUser, NewApiKey),
    *(NewTicket, NewAgent, Ask, ForkSession, PatchSession, ExecuteTool, CompletionRequest),
    *(NewTask, NewSchedule, NewWebhook, PatchWebhook, IndexAgain, SearchDocuments),
)
ANSWERS: tuple[Any, ...] = (
    *(Problem, ProblemKind, Alive, Health, Tokens, User, ApiKey, MadeApiKey, AuditEntry, Ticket),
    *(Agent, Answer, Message, Session, Run, Executed, Tool, UsageReport, Task),
    *(TaskStats, Page[Task], Page[TaskStats]),
    *(Webhook, MadeWebhook, Delivery, Page[Webhook], Page[Delivery]),
    *(Page[User], Page[ApiKey], Page[AuditEntry], Page[Agent], Page[Session], Page[Message]),
    *(Page[Run], Page[Tool], CompletionResponse, ModelOffer, ModelOffers, ErrorAnswer),
    *(Schedule, Page[Schedule], Document, Chunk, Page[Document], Page[Chunk], FoundPassages),
)
WITHHELD = frozenset({"secret"})
"""Fields that an answer which is given again lacks."""
EVENTS: tuple[type[event.Body], ...] = event.EventBody.__args__
TRUNCATED: Schema = {
    "type": "boolean",
    "description": "Its longest texts were cut: the whole is in the session's messages.",
}
EVENT_PAGE: Schema = {
    "description": "`ended`: the run's last event is among these or before them.",
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"$ref": f"{SCHEMAS}Event"}},
        "next_after": {"type": "integer", "description": "What to give as `after` next."},
        "ended": {"type": "boolean"},
    },
    "required": ["items", "next_after", "ended"],
}


def components() -> dict[str, Schema]:
    """Return them by name.

    What clients both send and get, in two forms, is called `...Input` where they send it.
    """
    asked = {
        **_schemas(ASKS),
        "PatchAgent": _patch_agent(),
        "PatchSchedule": _patch_schedule(),
    }
    told = _told((*ANSWERS, *EVENTS))
    names = {name: f"{name}Input" for name in _two_formed(asked, told)}
    for name in LATER:
        _take_out(asked, name)
    found = {
        **{names.get(name, name): renamed(schema, names) for name, schema in asked.items()},
        **told,
        **_events(told),
        "EventPage": EVENT_PAGE,
    }
    for name, description in FIELDS.items():
        component, field = name.split(".")
        found[component]["properties"][field]["description"] = description
    return dict(sorted(found.items()))


def _schemas(kinds: tuple[Any, ...]) -> dict[str, Schema]:
    _, schemas = msgspec.json.schema_components(kinds, ref_template=SCHEMAS + "{name}")
    text = page_names(msgspec.json.encode(schemas).decode())
    return {name: _component(schema) for name, schema in msgspec.json.decode(text).items()}


def _component(schema: Schema) -> Schema:
    schema = tidied(schema)
    del schema["title"]
    if not schema["required"]:
        del schema["required"]
    if "description" in schema:
        schema["description"] = in_words_of_clients(schema["description"])
    return schema


def _told(kinds: tuple[Any, ...]) -> dict[str, Schema]:
    leaving_out = {
        struct.__name__
        for struct in _structs(msgspec.inspect.multi_type_info(kinds))
        if get_origin(struct) is None and struct.__struct_config__.omit_defaults
    }
    return {
        name: _answer(schema, is_whole=name not in leaving_out)
        for name, schema in _schemas(kinds).items()
    }


def _structs(info: Any) -> Iterator[type[msgspec.Struct]]:
    """Yield the structs that described types are made of; none of ours holds itself."""
    if isinstance(info, msgspec.inspect.StructType):
        yield info.cls
    if isinstance(info, msgspec.Struct):
        info = tuple(getattr(info, name) for name in info.__struct_fields__)
    for item in info if isinstance(info, tuple | list) else ():
        yield from _structs(item)


def _answer(schema: Schema, *, is_whole: bool) -> Schema:
    """Return the schema of what the server says: it may say more one day, and clients ignore that."""
    schema = {key: value for key, value in schema.items() if key != "additionalProperties"}
    fields = schema.get("properties", {})
    given = set(schema.get("required", ())) - WITHHELD
    if is_whole:
        given |= {name for name, field in fields.items() if "default" in field}
    told = {name: {k: v for k, v in f.items() if k != "default"} for name, f in fields.items()}
    required = [name for name in fields if name in given]
    return {**schema, "properties": told, **({"required": required} if required else {})}


def _two_formed(asked: dict[str, Schema], told: dict[str, Schema]) -> set[str]:
    both = asked.keys() & told.keys()
    found = {name for name in both if asked[name] != told[name]}
    while more := {name for name in both - found if references(asked[name]) & found}:
        found |= more
    return found


def _events(told: dict[str, Schema]) -> dict[str, Schema]:
    """Return each type of event, which is its envelope and its body in one object, and `Event`, any of them."""
    envelope = _told((event.Event,))["Event"]
    fields = {name: field for name, field in envelope["properties"].items() if name != "body"}
    found = {kind.__name__: _event(fields, told[kind.__name__]) for kind in EVENTS}
    places = {str(kind.__struct_config__.tag): f"{SCHEMAS}{kind.__name__}" for kind in EVENTS}
    any_of_them: Schema = {
        "description": "What happened in a run; `type` says what. Types that you do not know may come.",
        "oneOf": [{"$ref": place} for place in places.values()],
        "discriminator": {"propertyName": "type", "mapping": places},
    }
    return {**found, "Event": any_of_them}


def _event(envelope: dict[str, Schema], body: Schema) -> Schema:
    kind, fields = body["properties"]["type"], body["properties"]
    return {
        **body,
        "properties": {**envelope, "type": kind, **fields, "truncated": TRUNCATED},
        "required": [*envelope, *body["required"]],
    }


def _patch_agent() -> Schema:
    patch = _patch(NewAgent, stay={"name"})
    approval = patch["properties"]["approval"]
    approval["additionalProperties"] = or_null(approval["additionalProperties"])
    return patch


def _patch_schedule() -> Schema:
    patch = _patch(NewSchedule, stay={"name", "cron", "timezone", "task"})
    patch["properties"]["task"] = _patch(TaskAsk, stay={"kind"})
    return patch


def _patch(kind: type[msgspec.Struct], *, stay: set[str]) -> Schema:
    """Every field may be left out, and null clears those that need not be. https://www.rfc-editor.org/rfc/rfc7396"""
    fields = _schemas((kind,))[kind.__name__]["properties"]
    bare = {name: {k: v for k, v in f.items() if k != "default"} for name, f in fields.items()}
    return {
        "description": "A merge patch: what is absent stays, null clears, objects merge.",
        "type": "object",
        "properties": {n: f if n in stay else or_null(f) for n, f in bare.items()},
        "additionalProperties": False,
    }


def _take_out(asked: dict[str, Schema], name: str) -> None:
    """Leave out values that a later version will take."""
    component, field = name.split(".")
    schema = asked[component]["properties"][field]
    schema["enum"] = [value for value in schema["enum"] if value not in LATER[name]]
