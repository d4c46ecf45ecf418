"""Tools that write down each of their executions: the witness against doing things twice.

As POLYAGENT_APP=tests.chaos.ledger:providers, a process has them beside the built-in ones, and
appends to the file that CHAOS_LEDGER names.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from dishka import Provider, Scope, provide

from polyagent import settings
from polyagent.adapters.functions.calculator import calculator
from polyagent.adapters.functions.function import Arguments, Function
from polyagent.adapters.functions.registry import FunctionTools
from polyagent.domain.tool import CallContext, Effect
from polyagent.ports.tools import Tools

APP = "tests.chaos.ledger:providers"
PATH = "CHAOS_LEDGER"
EFFECTS: tuple[Effect, ...] = ("read", "write", "once")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """`label` is what the script calls the call; `at_s` is wall time of this machine."""

    mark: Literal["begun", "ended"]
    label: str
    run_id: str
    key: str
    attempt: int
    effect: Effect
    pid: int
    at_s: float


_LINES = msgspec.json.Decoder(Line)


class LedgerArguments(Arguments, frozen=True):
    label: str
    ms: int = 0


class Ledger:
    """One line an execution's beginning and one its end, each in a single write."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def function(self, effect: Effect) -> Function:
        async def call(given: LedgerArguments, context: CallContext) -> Any:
            self._write("begun", effect, given, context)
            await asyncio.sleep(given.ms / 1000)
            self._write("ended", effect, given, context)
            return {"label": given.label, "attempt": context.attempt}

        return Function(
            name=f"ledger_{effect}",
            description=f"Writes a line; its effect is {effect}.",
            arguments=LedgerArguments,
            call=call,
            effect=effect,
        )

    def _write(
        self,
        mark: Literal["begun", "ended"],
        effect: Effect,
        given: LedgerArguments,
        context: CallContext,
    ) -> None:
        line = Line(
            mark=mark,
            label=given.label,
            run_id=str(context.run_id),
            key=context.idempotency_key,
            attempt=context.attempt,
            effect=effect,
            pid=os.getpid(),
            at_s=time.time(),
        )
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(fd, msgspec.json.encode(line) + b"\n")
        finally:
            os.close(fd)

    def read(self) -> list[Line]:
        if not self._path.exists():
            return []
        return _LINES.decode_lines(self._path.read_bytes())


def unfinished(lines: Sequence[Line]) -> dict[tuple[str, int], Line]:
    """Return what began and did not end, by key and attempt."""
    found: dict[tuple[str, int], Line] = {}
    for line in lines:
        if line.mark == "begun":
            found[line.key, line.attempt] = line
        else:
            found.pop((line.key, line.attempt), None)
    return found


class LedgerProvider(Provider):
    scope = Scope.APP

    @provide
    def tools(self, allowed: settings.Tools) -> Tools:
        ledger = Ledger(Path(os.environ[PATH]))
        functions = [calculator, *map(ledger.function, EFFECTS)]
        return FunctionTools(
            functions, timeout_s=allowed.timeout_s, max_result_bytes=allowed.max_result_bytes
        )


def providers() -> Sequence[Provider]:
    return [LedgerProvider()]
