"""How the server and what it stands on are."""

from typing import Any, Literal

import msgspec

TOLD_TO_ALL = ("demonstration",)


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """`missing`: not configured; `detail` says what to do about anything that is not ok."""

    status: Literal["ok", "degraded", "down", "missing"]
    latency_ms: float | None = None
    detail: str | None = None
    facts: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def neutral(self) -> "Component":
        """The same without addresses, names and versions, which `detail` may hold too."""
        facts = {name: fact for name, fact in self.facts.items() if name in TOLD_TO_ALL}
        return Component(status=self.status, latency_ms=self.latency_ms, facts=facts)


class Health(msgspec.Struct, frozen=True, kw_only=True):
    status: Literal["ok", "degraded"]
    version: str
    components: dict[str, Component]

    @property
    def neutral(self) -> "Health":
        components = {name: found.neutral for name, found in self.components.items()}
        return Health(status=self.status, version=self.version, components=components)
