"""The tools of a drill: each execution is witnessed by the ledger. `POLYAGENT_APP` puts them in place."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from dishka import Provider, Scope, provide

from polyagent.adapters.selftest.ledger import Entry, Ledger
from polyagent.adapters.selftest.script import EFFECTS
from polyagent.domain.errors import ToolUnknown
from polyagent.domain.ids import new_id
from polyagent.domain.tool import CallContext, Tool, ToolResult
from polyagent.ports.tools import Tools

APP = f"{__name__}:providers"
LEDGER = "POLYAGENT_SELFTEST_LEDGER"
PARAMETERS = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "hold_ms": {"type": "integer"}},
    "required": ["label", "hold_ms"],
}
OFFERED = {
    f"selftest_{effect}": Tool(
        name=f"selftest_{effect}",
        description=f"Works for a while. Its effect is {effect}.",
        parameters=PARAMETERS,
        effect=effect,
        source="function",
    )
    for effect in EFFECTS
}


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: str
    hold_ms: int


class LedgerTools:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(self) -> Sequence[Tool]:
        return [*OFFERED.values()]

    def get(self, name: str) -> Tool:
        if name not in OFFERED:
            raise ToolUnknown(f"There is no tool {name!r} here.")
        return OFFERED[name]

    async def call(
        self, name: str, arguments: Mapping[str, Any], context: CallContext
    ) -> ToolResult:
        given = msgspec.convert(arguments, Arguments)
        begun = Entry(
            phase="begun",
            label=given.label,
            effect=self.get(name).effect,
            run_id=context.run_id,
            key=context.idempotency_key,
            execution=new_id(),
            process=os.getpgrp(),
        )
        self._ledger.write(begun)
        await asyncio.sleep(given.hold_ms / 1000)
        self._ledger.write(msgspec.structs.replace(begun, phase="ended"))
        return ToolResult(state="done", result={"execution": str(begun.execution)})


class LedgerProvider(Provider):
    scope = Scope.APP

    @provide
    def tools(self) -> Tools:
        return LedgerTools(Ledger(Path(os.environ[LEDGER])))


def providers() -> Sequence[Provider]:
    return [LedgerProvider()]
