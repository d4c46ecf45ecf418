"""What the command line needs of the product. `polyagent.app` is one, as a module."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from polyagent.domain.finding import Finding
from polyagent.domain.selftest import SelftestOptions, SelftestReport
from polyagent.domain.startup import Prepared
from polyagent.domain.tool import Tool
from polyagent.ports.console import Console, UpOptions
from polyagent.settings import Settings

T = TypeVar("T")


class Container(Protocol):
    """The use cases, by their classes."""

    async def get(self, dependency: type[T], /) -> T: ...


class Product(Protocol):
    """Whatever is wrong before a function's work has begun is raised as a `PolyAgentError`."""

    def up(self, settings: Settings, options: UpOptions, console: Console) -> int:
        """Run the server until somebody stops it; return the exit code."""

    def down(self, settings: Settings) -> bool:
        """Stop the `up` of the data directory and wait for its end; False: none is running."""

    def reset(self, settings: Settings) -> None:
        """Delete what the server keeps in its data directory."""

    def serve(self, settings: Settings, *, reuse_port: bool) -> int: ...

    def worker(self, settings: Settings) -> int: ...

    def prepare(self, settings: Settings) -> Prepared:
        """Migrate the database; make the first administrator and the built-in agents."""

    def migrate(self, settings: Settings, revision: str, *, down: bool) -> str:
        """Return the revision that the schema is at then."""

    def tools(self, settings: Settings) -> Sequence[Tool]:
        """Return the tools that a server with these settings has."""

    def selftest(
        self, settings: Settings, options: SelftestOptions, say: Callable[[str], None]
    ) -> SelftestReport:
        """Hold the drill, on places of its own; `CancelledError` if a signal cut it short."""

    def examine(self, settings: Settings, tell: Callable[[Finding], None]) -> None:
        """Look at everything that a server stands on; `tell` gets what is found as it is found."""

    def opened(self, settings: Settings) -> AbstractAsyncContextManager[Container]: ...

    def data_dir(self, settings: Settings) -> Path: ...

    def endpoint(self, settings: Settings) -> str:
        """Return the base address of the data directory's running server."""


LoadProduct = Callable[[], Product]
"""Imports the product: seconds that `--help` does not have."""
