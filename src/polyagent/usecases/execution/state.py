"""What an execution knows of its run, and the records that it writes."""

import msgspec

from polyagent.domain.chat import Citation, Message
from polyagent.domain.compaction import Compaction
from polyagent.domain.context import Conversation
from polyagent.domain.documents.citation import citations_of
from polyagent.domain.documents.passages import cited_in, found_in
from polyagent.domain.errors import Cancelled, LimitReached
from polyagent.domain.event import (
    EventBody,
    MessageCompleted,
    RunCancelled,
    RunFailed,
    ToolCompleted,
    UsageReported,
)
from polyagent.domain.model import ModelInfo
from polyagent.domain.run import CANCELLED, RunDefaults, RunError, RunStatus, StepRecord, Work
from polyagent.domain.tool import ToolCall, ToolResult
from polyagent.domain.usage import Usage
from polyagent.ports.clock import Clock
from polyagent.ports.executor import Control
from polyagent.ports.journal import Journal
from polyagent.ports.telemetry import Meter
from polyagent.usecases.execution.draft import Draft
from polyagent.usecases.execution.model_call import ModelCall
from polyagent.usecases.execution.narrator import Narrator, uninterrupted

UNNAMED = "default"


class State:
    """One run in the hands of one executor: how far it is, and the only writer of its journal.

    `rejected` is the newest answer of this step that could not stand, with a note of what was wrong: for
    the model alone. `summary_tokens` were put out here for summaries: no part of what its answer may have.
    """

    def __init__(
        self,
        work: Work,
        control: Control,
        journal: Journal,
        narrator: Narrator,
        clock: Clock,
        meter: Meter,
        defaults: RunDefaults,
    ) -> None:
        self.work = work
        self.control = control
        self.narrator = narrator
        self.summary = work.summary
        self.history = work.history
        self.steps = list(work.steps)
        self.done = work.run.step
        self.usage = work.run.usage
        self.attempt = work.run.attempt
        self.draft: Draft | None = None
        self.info: ModelInfo | None = None
        self._call: ModelCall | None = None
        self.rejected: tuple[Message, ...] = ()
        self.rejections = 0
        self.summary_tokens = 0
        limits = work.spec.limits
        self.max_steps = limits.max_steps or defaults.max_steps
        self.max_output_tokens = limits.max_output_tokens or defaults.max_output_tokens
        self.timeout_s = limits.timeout_s or defaults.timeout_s
        self.budget = limits.budget or defaults.budget
        self._journal = journal
        self._clock = clock
        self._meter = meter

    @property
    def talk(self) -> Conversation:
        return Conversation(summary=self.summary, history=self.history, steps=tuple(self.steps))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """The calls of the last step."""
        return self.steps[-1].tool_calls if self.steps else ()

    @property
    def open_calls(self) -> list[ToolCall]:
        return [call for call in self.calls if call.is_open]

    def cited(self, text: str) -> tuple[Citation, ...]:
        """Return what a text of the model cites of what it was shown; nothing where it was shown nothing."""
        spec = self.work.spec
        found = (*found_in(self.history), *found_in(self.steps), *spec.passages)
        shown = (*cited_in(self.history), *found)
        return citations_of(text, shown) if shown or spec.has_documents else ()

    def require_budget(self) -> None:
        """Raise `LimitReached` once the run has spent its budget, or nobody knows what it spends."""
        if self.budget is None or not self.usage.total_tokens:
            return
        if self.usage.cost is None:
            raise LimitReached(
                "The run has a budget, but its model has no price: the operator sets ai.prices."
            )
        if self.usage.cost >= self.budget:
            raise LimitReached(f"The run reached its budget of {self.budget:g}.")

    def key_of(self, call: ToolCall) -> str:
        """Return the idempotency key under which a call is made, however often it is."""
        position = [each.id for each in self.steps[-1].tool_calls].index(call.id)
        return f"{self.work.run.id}/{self.done}/{position}"

    def begin_call(self, prompt_tokens: int) -> ModelCall:
        """Keep an account of a call of the model until what it used is recorded."""
        model = self.info.name if self.info else self.work.spec.model or UNNAMED
        price = self.info.price if self.info else None
        self._call = ModelCall(self.done + 1, model, price, prompt_tokens)
        return self._call

    @property
    def unsettled(self) -> tuple[UsageReported, ...]:
        """What the last call used, if that is not recorded yet."""
        return self._call.spent if self._call else ()

    async def commit(
        self,
        status: RunStatus,
        bodies: tuple[EventBody, ...],
        *,
        message: Message | None = None,
        error: RunError | None = None,
        retried: bool = False,
    ) -> None:
        """Record a step, or the end of the run, with what `bodies` say was used. Raises `Fenced`, `Cancelled`."""
        record = StepRecord(
            step=self.done + (message is not None),
            status=status,
            usage=self._used(bodies),
            message=message,
            calls=message.tool_calls if message else (),
            error=error,
            retried=retried,
        )
        await uninterrupted(self._commit(record, bodies))

    async def compact(
        self, plan: Compaction, summary: Message, bodies: tuple[EventBody, ...]
    ) -> None:
        """Record a summary in the place of what it covers. Raises `Fenced`, `Cancelled`."""
        record = StepRecord(
            step=self.done,
            status="running",
            usage=self._used(bodies),
            summary=summary,
            covers=plan.covered[-1].id,
        )
        before = self.usage.output_tokens
        await uninterrupted(self._commit(record, bodies))
        self.summary_tokens += self.usage.output_tokens - before
        self.summary, self.history, self.steps = summary, plan.history, [*plan.steps]

    def _used(self, bodies: tuple[EventBody, ...]) -> Usage:
        spent = (body.usage for body in bodies if isinstance(body, UsageReported))
        return sum(spent, self.usage)

    async def _commit(self, record: StepRecord, bodies: tuple[EventBody, ...]) -> None:
        cancel = await self.narrator.record(
            bodies,
            lambda events: self._journal.commit_step(
                self.work.lease, msgspec.structs.replace(record, events=events)
            ),
        )
        for body in bodies:
            if isinstance(body, UsageReported):
                self._meter.tokens_used(body.usage)
        self.done, self.usage, self.draft = record.step, record.usage, None
        self._call = None
        if record.message is not None:
            self.steps.append(record.message)
            self.rejected, self.rejections = (), 0
        if cancel and record.status == "running":
            raise Cancelled("The run is to be cancelled.")

    async def finish_call(self, call: ToolCall, result: ToolResult) -> None:
        """Record what came of a call. Raises `Fenced`, `Cancelled`."""
        await uninterrupted(self._finish_call(call, result))

    async def _finish_call(self, call: ToolCall, result: ToolResult) -> None:
        body = ToolCompleted(call.id, result.state, result.result, result.error)
        cancel = await self.narrator.record(
            (body,),
            lambda events: self._journal.finish_call(self.work.lease, call.id, result, events[0]),
        )
        self._replace_call(
            msgspec.structs.replace(
                call, state=result.state, result=result.result, error=result.error
            )
        )
        if cancel:
            raise Cancelled("The run is to be cancelled.")

    def _replace_call(self, new: ToolCall) -> None:
        last = self.steps[-1]
        calls = tuple(new if call.id == new.id else call for call in last.tool_calls)
        self.steps[-1] = msgspec.structs.replace(last, tool_calls=calls)

    async def fail(self, error: RunError) -> None:
        failed = RunFailed(error.code, error.detail, error.retryable)
        await self._end("failed", failed, error)

    async def cancel(self) -> None:
        await self._end("cancelled", RunCancelled(CANCELLED.detail), CANCELLED)

    async def _end(
        self, status: RunStatus, last: RunFailed | RunCancelled, error: RunError | None
    ) -> None:
        """End the run with what there is of its answer; the journal cancels the calls that are open."""
        partial = self._partial()
        told = (MessageCompleted(self.done + 1, partial),) if partial else ()
        voided = tuple(ToolCompleted(call.id, "cancelled") for call in self.open_calls)
        await self.commit(
            status,
            (*told, *self.unsettled, *voided, last),
            message=partial,
            error=error,
        )

    def _partial(self) -> Message | None:
        if self.draft is None or not self.draft.text:
            return None
        cited = self.cited(self.draft.text)
        return self.draft.message(
            self.work.run, self._clock.now(), (), citations=cited, incomplete=True
        )
