"""The AsyncAPI document of the sockets. https://www.asyncapi.com/docs/reference/specification/v3.0.0"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import msgspec

from polyagent import __version__
from polyagent.adapters.http.asyncapi.messages import (
    CLIENT,
    REPLIES,
    messages,
    schemas,
    tag,
    tags,
)
from polyagent.adapters.http.openapi.components import EVENTS
from polyagent.adapters.http.socket.connection import MAX_FRAME_BYTES, Close
from polyagent.adapters.http.socket.credentials import PROTOCOL

DESCRIPTION = f"""Chat with agents and watch runs over one connection. One JSON object a frame, as text,
at most {MAX_FRAME_BYTES:,} bytes. The server may add fields and types of event at any time: pass over what you do not know.

Events of one run come in order and their ids grow. After a break connect again and `watch` the run behind
the last id: nothing is missed and nothing is told twice.

Who calls is said by one of: the header `Authorization`, a ticket in the address, the subprotocols
`{PROTOCOL}` and `bearer.<token>`, or an `auth` frame within ten seconds. A page of an origin that is neither
the server's own nor in `server.cors_origins` is refused with 403 before the socket opens.

Closing codes are in `x-close-codes`. The HTTP side is described in `/openapi.json`.
"""
CLOSING = {
    Close.DEFECT: "A defect of the server",
    Close.RESTART: "The server restarts: connect again, and watch behind the last id",
    Close.UNAUTHENTICATED: "No credentials, bad ones, or they ran out: log in, or make a new ticket",
    Close.NOT_ALLOWED: "The session is not there or not yours, or the key lacks the scope `chat`",
    Close.IDLE: "Nothing was said for five minutes and no run was watched",
    Close.TOO_LARGE: "A frame was larger than 1 MiB",
    Close.LIMITED: "Too many sockets: come back later",
}
ANSWERS = {
    "chat": (*tags(EVENTS), "error"),
    "watch": (*tags(EVENTS), "ok", "error"),
    "unwatch": ("ok", "error"),
    "cancel": ("ok", "error"),
    "auth": ("ok", "error"),
    "ping": ("pong",),
}
TICKET = {
    "type": "object",
    "properties": {
        "ticket": {
            "type": "string",
            "description": "Of `POST /api/v1/tickets`, made for this very path: good once, for 30 seconds",
        }
    },
}
CHANNELS: dict[str, dict[str, Any]] = {
    "any_session": {
        "address": "/ws",
        "title": "Any session",
        "description": "A chat goes to the session that it names, or to a new one.",
    },
    "one_session": {
        "address": "/ws/chat/{session_id}",
        "title": "One session",
        "description": "Chats go to it unless they name another, and every run in it is told, whoever starts it.",
        "parameters": {"session_id": {"description": "The id of a session of yours (a UUID)"}},
    },
}
SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An access token or an API key in the header `Authorization`",
    },
    "ticket": {
        "type": "httpApiKey",
        "in": "query",
        "name": "ticket",
        "description": "For browsers, which send no header with a WebSocket",
    },
    "subprotocol": {
        "type": "httpApiKey",
        "in": "header",
        "name": "Sec-WebSocket-Protocol",
        "description": f"`{PROTOCOL}, bearer.<token>`; the server answers `{PROTOCOL}`",
    },
}


@cache
def asyncapi() -> bytes:
    """Return the document as JSON."""
    return msgspec.json.encode(
        {
            "asyncapi": "3.0.0",
            "info": {"title": "PolyAgent", "version": __version__, "description": DESCRIPTION},
            "defaultContentType": "application/json",
            "servers": {"local": _server()},
            "channels": {name: _channel(channel) for name, channel in CHANNELS.items()},
            "operations": dict(_operations()),
            "components": {
                "schemas": schemas(),
                "messages": messages(),
                "securitySchemes": SECURITY,
            },
            "x-close-codes": {
                str(code.value): {"name": code.name.lower(), "description": CLOSING[code]}
                for code in Close
            },
        }
    )


def _server() -> dict[str, Any]:
    return {
        "host": "localhost:8080",
        "protocol": "ws",
        "description": "Where `polyagent up` listens; `wss` behind a proxy that speaks TLS",
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in SECURITY],
    }


def _channel(channel: dict[str, Any]) -> dict[str, Any]:
    said = tags((*CLIENT, *EVENTS, *REPLIES))
    return {
        **channel,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in said},
        "bindings": {"ws": {"method": "GET", "query": TICKET, "bindingVersion": "0.1.0"}},
    }


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """What the server does: it hears each frame of a client and answers it, and it tells events."""
    for channel in CHANNELS:
        for kind in CLIENT:
            yield f"{tag(kind)}_in_{channel}", _heard(channel, tag(kind))
        told = _of(channel, [*tags(EVENTS), "pong"])
        yield (
            f"tell_{channel}",
            {"action": "send", **told, "summary": "Tell the runs that are watched"},
        )


def _heard(channel: str, name: str) -> dict[str, Any]:
    reply = _of(channel, ANSWERS[name])
    return {"action": "receive", **_of(channel, [name]), "reply": reply}


def _of(channel: str, names: Sequence[str]) -> dict[str, Any]:
    at = f"#/channels/{channel}"
    return {
        "channel": {"$ref": at},
        "messages": [{"$ref": f"{at}/messages/{name}"} for name in names],
    }
