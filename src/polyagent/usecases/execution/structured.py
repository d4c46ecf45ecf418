"""Answers of a form that was asked for: checked on our side, whatever the model service makes of it."""

import msgspec

from polyagent.domain.chat import Message, MessageRole, TextPart
from polyagent.domain.context import cut
from polyagent.domain.errors import ResponseFormatViolated
from polyagent.domain.event import RunResumed, UsageReported
from polyagent.domain.ids import new_id
from polyagent.domain.model import Finished
from polyagent.domain.response_format import JsonSchema, ResponseFormat
from polyagent.ports.clock import Clock
from polyagent.ports.schemas import Schemas
from polyagent.usecases.execution.draft import Draft
from polyagent.usecases.execution.state import State

MAX_REJECTIONS = 2
SHOWN_TOKENS = 500  # of a rejected answer

NOTE = (
    "[A note of the server, not of the user: that answer does not have the form that was asked for. "
    "{fault} Answer again with nothing but the JSON: no words around it, no code fence.]"
)


class StructuredAnswers:
    def __init__(self, schemas: Schemas, clock: Clock) -> None:
        self._schemas = schemas
        self._clock = clock

    async def accepts(self, run: State, draft: Draft, finished: Finished) -> bool:
        """Say whether `draft` may stand; if not, it is voided, and the model is to be asked again.

        Raises `ResponseFormatViolated` for the last of them, and for one that was cut off.
        """
        wanted = run.work.spec.response_format
        if wanted is None or draft.has_calls:
            return True
        fault = self._fault(wanted, draft.text)
        if fault is None:
            return True
        if finished.reason in ("length", "content_filter"):
            await self._give_up(run, draft, finished, f"It was cut off ({finished.reason}).")
        if run.rejections >= MAX_REJECTIONS:
            await self._give_up(run, draft, finished, fault)
        await self._again(run, draft, finished, fault)
        return False

    def _fault(self, wanted: ResponseFormat, text: str) -> str | None:
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            return f"It is no JSON: {error}."
        if isinstance(wanted, JsonSchema):
            return self._schemas.misfit(wanted.json_schema.schema, value)
        return None if isinstance(value, dict) else "It is no JSON object."

    async def _again(self, run: State, draft: Draft, finished: Finished, fault: str) -> None:
        run.attempt += 1
        resumed = RunResumed(run.attempt, "retry", draft.step)
        spent = _spent(draft, finished)
        await run.commit("running", (spent, resumed), retried=True)
        run.require_budget()
        run.rejections += 1
        run.rejected = (
            self._told(run, "assistant", cut(draft.text, SHOWN_TOKENS)),
            self._told(run, "user", NOTE.format(fault=fault)),
        )

    async def _give_up(self, run: State, draft: Draft, finished: Finished, fault: str) -> None:
        await run.commit("running", (_spent(draft, finished),))
        run.draft = draft  # kept with the end of the run
        raise ResponseFormatViolated(
            f"The answer does not have the form that was asked for. {fault}"
        )

    def _told(self, run: State, role: MessageRole, text: str) -> Message:
        return Message(
            id=new_id(),
            session_id=run.work.run.session_id,
            run_id=run.work.run.id,
            role=role,
            content=text,
            parts=(TextPart(text),),
            created_at=self._clock.now(),
        )


def _spent(draft: Draft, finished: Finished) -> UsageReported:
    return UsageReported(draft.step, finished.model, finished.usage)
