from collections.abc import Sequence
from typing import Protocol

from polyagent.domain.tool import Hit


class Search(Protocol):
    """Search of the web."""

    @property
    def missing(self) -> str | None:
        """Say why there is none and what to set; None: it can be called."""

    async def __call__(self, query: str, count: int) -> Sequence[Hit]:
        """Return at most `count` hits, best first. Raises `ToolFailed`."""
