"""An operator's tools: `quick`, and `slow`, which never ends and writes down that it began."""

import asyncio
import os
from pathlib import Path
from typing import Any

from dishka import Provider, Scope

from polyagent.adapters.functions.function import Arguments, Function
from polyagent.adapters.functions.registry import FunctionTools
from polyagent.domain.tool import CallContext
from polyagent.ports.tools import Tools

BEGUN = "SLOW_TOOL_BEGUN"


class Nothing(Arguments, frozen=True): ...


async def quick(_: Any, context: CallContext) -> str:
    return "done"


async def slow(_: Any, context: CallContext) -> str:
    _note(str(context.run_id))
    await asyncio.Event().wait()
    raise AssertionError("nobody sets this event")


def _note(run_id: str) -> None:
    with Path(os.environ[BEGUN]).open("a") as file:
        file.write(f"{run_id}\n")


def providers() -> list[Provider]:
    functions = [
        Function(name="quick", description="q", arguments=Nothing, call=quick, effect="read"),
        Function(name="slow", description="s", arguments=Nothing, call=slow, effect="once"),
    ]
    tools = FunctionTools(functions, timeout_s=600, max_result_bytes=1000)
    provider = Provider(scope=Scope.APP)
    provider.provide(lambda: tools, provides=Tools)
    return [provider]
