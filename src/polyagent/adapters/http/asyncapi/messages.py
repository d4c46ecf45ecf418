"""What is said over a socket, each with the schema that its type makes.

The schemas are of draft 7, which is AsyncAPI's own: https://www.asyncapi.com/docs/reference/specification/v3.0.0#schemaObject
"""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import msgspec

from polyagent.adapters.http.asyncapi import examples
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
from polyagent.domain.event import Event, EventBody

SCHEMAS = "#/components/schemas/"
CLIENT: tuple[type[msgspec.Struct], ...] = (Chat, Watch, Unwatch, Cancel, Auth, Ping)
EVENTS: tuple[type[msgspec.Struct], ...] = get_args(EventBody)
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
_TRUNCATED = {
    "type": "boolean",
    "description": "Its longest texts were cut: the whole is in the session's messages.",
}


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
    kinds = (*CLIENT, *EVENTS, *REPLIES, Event, Reply)
    _, found = msgspec.json.schema_components(kinds, ref_template=SCHEMAS + "{name}")
    envelope, reply = found.pop("Event"), found.pop("Reply")
    for kind in EVENTS:
        found[kind.__name__] = _told(kind, found[kind.__name__], envelope, reply)
    found["Chat"]["properties"]["stream"] = {"enum": [True, None], "description": "Always streamed"}
    plain: dict[str, Any] = _without_discriminators(found)
    return plain


def _told(
    kind: type[msgspec.Struct],
    body: dict[str, Any],
    envelope: Mapping[str, Any],
    reply: Mapping[str, Any],
) -> dict[str, Any]:
    """An event is its envelope and its body in one object; the first of a chat says to which it belongs."""
    around = {name: field for name, field in envelope["properties"].items() if name != "body"}
    own = body["required"] if kind.__struct_config__.omit_defaults else list(body["properties"])
    return {
        **body,
        "properties": {
            **around,
            **body["properties"],
            "truncated": _TRUNCATED,
            **reply["properties"],
        },
        "required": [*around, *own],
    }


def _without_discriminators(schema: Any) -> Any:
    """OpenAPI's are objects, which AsyncAPI does not know; the constant `type` tells as much."""
    if isinstance(schema, dict):
        return {k: _without_discriminators(v) for k, v in schema.items() if k != "discriminator"}
    if isinstance(schema, list):
        return [_without_discriminators(item) for item in schema]
    return schema
