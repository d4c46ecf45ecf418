"""The port Tools over Python functions."""

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog
from opentelemetry import trace

from polyagent.adapters.functions.function import Function
from polyagent.adapters.functions.results import storable
from polyagent.adapters.functions.threads import Threads
from polyagent.domain.conventions import OPERATION, TOOL_NAME
from polyagent.domain.errors import ToolFailed, ToolInDoubt, ToolUnknown
from polyagent.domain.text import clean_json
from polyagent.domain.tool import CallContext, Tool, ToolResult

MAY_HAVE_HAPPENED = (
    "nobody knows whether it took effect or still will. Find out before you do it again."
)

_tracer = trace.get_tracer("polyagent.tools")

log = structlog.get_logger("polyagent.tools")


class FunctionTools:
    def __init__(
        self, functions: Iterable[Function], *, timeout_s: float, max_result_bytes: int
    ) -> None:
        self._functions = {f.name: f for f in sorted(functions, key=lambda f: f.name)}
        self._tools = {name: function.described() for name, function in self._functions.items()}
        self._threads = Threads()
        self._timeout_s = timeout_s
        self._max_result_bytes = max_result_bytes

    def list(self) -> Sequence[Tool]:
        return [*self._tools.values()]

    def get(self, name: str) -> Tool:
        self._function(name)
        return self._tools[name]

    async def call(
        self, name: str, arguments: Mapping[str, Any], context: CallContext
    ) -> ToolResult:
        function = self._function(name)
        with _tracer.start_as_current_span(f"execute_tool {name}") as span:
            if span.is_recording():
                span.set_attributes({OPERATION: "execute_tool", TOOL_NAME: name})
            return await self._outcome(function, arguments, context)

    async def _outcome(
        self, function: Function, arguments: Mapping[str, Any], context: CallContext
    ) -> ToolResult:
        name = function.name
        try:
            result = await self._result(function, arguments, context)
        except ToolFailed as error:
            return ToolResult(state="failed", error=storable(error.detail, max_bytes=10_000))
        except ToolInDoubt as error:
            return ToolResult(state="in_doubt", error=storable(error.detail, max_bytes=10_000))
        except (Exception, SystemExit):
            # an operator's own function may raise anything; its run goes on
            log.exception("tool_broke", tool=name)
            return ToolResult(state="failed", error=f"The tool {name} broke on these arguments.")
        return ToolResult(state="done", result=result)

    async def _result(
        self, function: Function, arguments: Mapping[str, Any], context: CallContext
    ) -> Any:
        if function.unavailable_reason is not None:
            raise ToolFailed(function.unavailable_reason)
        call = partial(function.call, _given(function, arguments), context)
        began = asyncio.Event()
        try:
            async with asyncio.timeout(self._timeout_s) as deadline:
                result = await self._returned(call, began, in_thread=function.in_thread)
        except (ToolFailed, ToolInDoubt):
            raise
        except Exception as error:  # what it raises when it is stopped may be anything
            if not deadline.expired():
                raise
            raise self._late(function, has_begun=began.is_set()) from error
        return storable(result, max_bytes=self._max_result_bytes)

    async def _returned(
        self, call: Callable[[], Any], began: asyncio.Event, *, in_thread: bool
    ) -> Any:
        if in_thread:
            result = await self._threads(call, began.set)
        else:
            began.set()
            result = call()
        return await result if inspect.isawaitable(result) else result

    def _late(self, function: Function, *, has_begun: bool) -> ToolFailed | ToolInDoubt:
        if not has_begun:
            return ToolFailed(
                f"It could not begin within {self._timeout_s:g} s: too many are at work."
            )
        took = f"It took longer than {self._timeout_s:g} s"
        if function.effect == "read":
            return ToolFailed(f"{took}.")
        doubt = f"{took}; {MAY_HAVE_HAPPENED}"
        return ToolInDoubt(doubt) if function.effect == "once" else ToolFailed(doubt)

    def _function(self, name: str) -> Function:
        if name not in self._functions:
            raise ToolUnknown(f"There is no tool {name!r} here.")
        return self._functions[name]


def _given(function: Function, arguments: Mapping[str, Any]) -> Any:
    try:
        return msgspec.convert(clean_json(dict(arguments)), function.arguments)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ToolFailed(f"The arguments do not fit: {error}.") from error
