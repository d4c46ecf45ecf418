from typing import Protocol

from polyagent.domain.health import Component


class Probe(Protocol):
    """One thing that the server stands on."""

    async def check(self) -> Component:
        """Look at it; never raises, and answers within two seconds."""
