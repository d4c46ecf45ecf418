"""How the server is."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from polyagent import __version__
from polyagent.domain.health import Component, Health
from polyagent.ports.health import Probe

VITAL = "postgres"
LIMIT_S = 2.5

T = TypeVar("T")


async def in_time(work: Coroutine[Any, Any, T], late: T) -> T:
    """Return what `work` gives, or `late` after `LIMIT_S`.

    It is cancelled then, but nobody waits until it has ended: a database that hangs takes long over that too.
    """
    task = asyncio.create_task(work)
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    try:
        await asyncio.wait({task}, timeout=LIMIT_S)
        return task.result() if task.done() else late
    finally:
        task.cancel()


class CheckHealth:
    def __init__(self, probes: dict[str, Probe]) -> None:
        self._probes = probes

    async def __call__(self) -> Health:
        found = await asyncio.gather(*map(_checked, self._probes.values()))
        components = dict(zip(self._probes, found, strict=True))
        good = all(component.status == "ok" for component in components.values())
        return Health(
            status="ok" if good else "degraded", version=__version__, components=components
        )

    async def vital(self) -> Component:
        """Look only at what nothing works without."""
        return await _checked(self._probes[VITAL])


async def _checked(probe: Probe) -> Component:
    return await in_time(probe.check(), Component(status="down", detail="It does not answer now."))
