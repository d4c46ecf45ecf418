"""How the server and what it stands on are."""

from typing import Any, Literal

import msgspec


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """`missing`: not configured; `detail` says what to do about anything that is not ok."""

    status: Literal["ok", "degraded", "down", "missing"]
    latency_ms: float | None = None
    detail: str | None = None
    facts: dict[str, Any] = msgspec.field(default_factory=dict)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["ok", "degraded"]
    version: str
    components: dict[str, Component]
