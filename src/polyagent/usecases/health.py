"""How the server is."""

import asyncio

from polyagent import __version__
from polyagent.domain.health import Component, Health
from polyagent.ports.health import Probe

VITAL = "postgres"


class CheckHealth:
    def __init__(self, probes: dict[str, Probe]) -> None:
        self._probes = probes

    async def __call__(self) -> Health:
        found = await asyncio.gather(*(probe.check() for probe in self._probes.values()))
        components = dict(zip(self._probes, found, strict=True))
        good = all(component.status == "ok" for component in components.values())
        return Health(
            status="ok" if good else "degraded", version=__version__, components=components
        )

    async def vital(self) -> Component:
        """Look only at what nothing works without."""
        return await self._probes[VITAL].check()
