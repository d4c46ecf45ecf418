"""The tool calls of a step: each is journaled before and after it happens."""

import asyncio

from polyagent.domain.errors import Fenced, ToolInDoubt, ToolUnknown
from polyagent.domain.tool import CallContext, ToolCall, ToolResult
from polyagent.ports.clock import Clock
from polyagent.ports.journal import Journal
from polyagent.ports.tools import Tools
from polyagent.usecases.execution.narrator import settled, uninterrupted
from polyagent.usecases.execution.state import State

MAX_PARALLEL = 8

IN_DOUBT = (
    "The server stopped while this call was under way; nobody knows whether it took effect. "
    "Find out before you do it again."
)
DEFERRED = "Deferred: this tool cannot be called beside others. Call it again now, alone."


class ToolStep:
    def __init__(self, tools: Tools, journal: Journal, clock: Clock) -> None:
        self._tools = tools
        self._journal = journal
        self._clock = clock

    async def __call__(self, run: State) -> None:
        """Do the calls that are open, side by side. Raises `Fenced`, `Cancelled`, `ToolInDoubt`.

        Where the agent's policy is to fail in doubt, no further call begins then; those that have
        begun end first.
        """
        places = asyncio.Semaphore(MAX_PARALLEL)
        try:
            async with asyncio.TaskGroup() as group:
                for call in run.open_calls:
                    group.create_task(self._one(run, call, places))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        if (doubtful := _fatal(run)) is not None:
            raise ToolInDoubt(f"{doubtful.name}: {doubtful.error}")

    async def _one(self, run: State, call: ToolCall, places: asyncio.Semaphore) -> None:
        async with places:
            if _fatal(run) is None:
                await run.finish_call(call, await self._outcome(run, call))

    async def _outcome(self, run: State, call: ToolCall) -> ToolResult:
        try:
            attempt = await uninterrupted(
                settled(lambda: self._journal.start_call(run.work.lease, call.id), self._clock)
            )
        except ToolInDoubt:
            return ToolResult(state="in_doubt", error=IN_DOUBT)
        return await self._result(run, call, attempt)

    async def _result(self, run: State, call: ToolCall, attempt: int) -> ToolResult:
        if isinstance(call.arguments, str):
            return _failed("The arguments are not a JSON object. Call again with an object.")
        if run.work.spec.is_for_client(call.name):
            return ToolResult(state="denied", error=DEFERRED)
        if call.name not in run.work.spec.tools:
            return _failed(f"There is no tool {call.name!r} here.")
        if not run.control.holds_lease():
            raise Fenced("The lease ran out before the call.")
        context = CallContext(
            workspace_id=run.work.workspace_id,
            user_id=run.work.user_id,
            run_id=run.work.run.id,
            idempotency_key=run.key_of(call),
            attempt=attempt,
            document_ids=run.work.spec.document_ids,
            collection=run.work.spec.collection,
        )
        try:
            return await self._tools.call(call.name, call.arguments, context)
        except ToolUnknown as error:
            return _failed(error.detail)


def _fatal(run: State) -> ToolCall | None:
    """Return a call in doubt after which the run has to fail."""
    if run.work.spec.in_doubt != "fail":
        return None
    return next((call for call in run.calls if call.state == "in_doubt"), None)


def _failed(error: str) -> ToolResult:
    return ToolResult(state="failed", error=error)
