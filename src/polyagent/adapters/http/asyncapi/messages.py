"""What is said over a socket, each with the schema that its type makes.

The schemas are of draft 7, which is AsyncAPI's own: https://www.asyncapi.com/docs/reference/specification/v3.0.0#schemaObject
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from polyagent.adapters.http.asyncapi import examples
from polyagent.adapters.http.openapi.components import EVENTS, components
from polyagent.adapters.http.openapi.tidy import SCHEMAS, Schema, references, tidied
from polyagent.adapters.http.socket.frames import (
    Auth,
    Cancel,
    Chat,
    Error,
    Ok,
    Ping,
    Pong,
    Reply,
    Unwatch,
    Watch,
)

CLIENT: tuple[type[msgspec.Struct], ...] = (Chat, Watch, Unwatch, Cancel, Auth, Ping)
REPLIES: tuple[type[msgspec.Struct], ...] = (Ok, Error, Pong)

SUMMARIES = {
    "chat": "Send a message: the body of `POST /api/v1/chat`. Its run is told from its first event",
    "watch": "Tell a run from its start, or behind the event `after`; what it told before is void",
    "unwatch": "Tell no more of a run, which goes on",
    "cancel": "Cancel a run; `run.cancelled` follows when it has happened",
    "auth": "Give credentials in the first frame, or renew them; of the same user",
    "ping": "Ask for a `pong`",
    "ok": "It is done; to `watch`: nothing is left of a run that has ended",
    "error": "What was sent could not be done; the socket stays open",
    "pong": "An answer to `ping`, or a sign of life while a run is silent",
}
_STREAM = {"enum": [True, None], "description": "A socket streams always."}


def tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def tags(kinds: Sequence[type[msgspec.Struct]]) -> list[str]:
    return [tag(kind) for kind in kinds]


def messages() -> dict[str, Any]:
    """Return each frame as a message, by its type."""
    shown = {**examples.CLIENT, **examples.server()}
    kinds = (*CLIENT, *EVENTS, *REPLIES)
    return {tag(kind): _message(kind, shown[tag(kind)]) for kind in kinds}


def _message(kind: type[msgspec.Struct], example: Mapping[str, Any]) -> dict[str, Any]:
    name = tag(kind)
    return {
        "name": name,
        "title": kind.__name__,
        "summary": SUMMARIES.get(name, f"An event of a run: {name}"),
        "payload": {"$ref": f"{SCHEMAS}{kind.__name__}"},
        "examples": [{"payload": example}],
    }


def schemas() -> dict[str, Any]:
    """Return those that messages lead to; what they share with the OpenAPI document is named as there."""
    shared = components()
    _, own = msgspec.json.schema_components(
        (*CLIENT[1:], *REPLIES, Reply), ref_template=SCHEMAS + "{name}"
    )
    own = {name: tidied(schema) for name, schema in own.items()}
    reply = own.pop("Reply")["properties"]
    told = {kind.__name__: _replying(shared[kind.__name__], reply) for kind in EVENTS}
    found = {**shared, **told, **own, "Chat": _chat(shared["Ask"], own["Ping"]["properties"]["id"])}
    names = _reached({kind.__name__ for kind in (*CLIENT, *EVENTS, *REPLIES)}, found)
    return {name: _without_discriminators(found[name]) for name in sorted(names)}


def _replying(event: Schema, reply: Schema) -> Schema:
    """The first event of a chat says to which it belongs."""
    return {**event, "properties": {**event["properties"], **reply}}


def _chat(ask: Schema, frame_id: Schema) -> Schema:
    fields = {"type": {"const": "chat"}, "id": frame_id, **ask["properties"], "stream": _STREAM}
    return {**ask, "properties": fields, "required": ["type", *ask["required"]]}


def _reached(names: set[str], found: dict[str, Schema]) -> set[str]:
    while more := set().union(*(references(found[name]) for name in names)) - names:
        names = names | more
    return names


def _without_discriminators(schema: Any) -> Any:
    """OpenAPI's are objects, which AsyncAPI does not know; the constant `type` tells as much."""
    if isinstance(schema, dict):
        return {k: _without_discriminators(v) for k, v in schema.items() if k != "discriminator"}
    if isinstance(schema, list):
        return [_without_discriminators(item) for item in schema]
    return schema
