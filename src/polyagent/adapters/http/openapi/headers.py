"""What answers say in their headers."""

from typing import Any

from polyagent.adapters.http.edge.edge import HEALTH

COMPONENTS = "#/components/headers/"
TEXT = {"type": "string"}

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "Names the request in the server's log: yours, if you sent one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    },
    "RateLimit": {
        "description": "What is left of the tightest limit: `r` requests, whole again after `t` seconds.",
        "schema": TEXT,
        "example": '"user";r=593;t=41',
    },
    "RateLimit-Policy": {
        "description": "That limit: `q` requests in `w` seconds.",
        "schema": TEXT,
        "example": '"user";q=600;w=60',
    },
    "Retry-After": {
        "description": "Seconds to wait before the same request again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "How to say who you are (RFC 6750).",
        "required": True,
        "schema": TEXT,
        "example": 'Bearer realm="polyagent", error="invalid_token"',
    },
    "ETag": {
        "description": "The version of what is answered: give it as `If-Match` with a change.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[1-9][0-9]*"$'},
        "example": '"3"',
    },
    "Location": {
        "description": "Where it is.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Content-Location": {
        "description": "The run that is streamed.",
        "schema": {"type": "string", "format": "uri-reference"},
    },
    "Link": {
        "description": "Where the next page is, if there is one (RFC 8288).",
        "schema": TEXT,
        "example": '</api/v1/agents?limit=20&cursor=AZpI>; rel="next"',
    },
    "Idempotent-Replayed": {
        "description": "The request had been made before under this `Idempotency-Key`.",
        "schema": {"type": "string", "const": "true"},
    },
    "X-Run-ID": {
        "description": "The run that answers.",
        "schema": {"type": "string", "format": "uuid"},
    },
    "X-Should-Retry": {
        "description": "`false`: the same request would fail again.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
}


def referring(names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": COMPONENTS + name} for name in names}


def always(path: str) -> list[str]:
    """Return the headers of every answer at an address."""
    return ["X-Request-ID", *([] if path in HEALTH else ["RateLimit", "RateLimit-Policy"])]
