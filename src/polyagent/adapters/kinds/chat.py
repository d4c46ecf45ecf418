"""Tasks of the kind `chat`: an agent answers, and the answer is the result."""

import hashlib
from contextlib import aclosing
from typing import Any
from uuid import UUID

import msgspec

from polyagent.adapters.kinds.payload import payload_of
from polyagent.domain.account import Actor
from polyagent.domain.chat import Ask, FilePart, Message
from polyagent.domain.errors import Fault, Invalid, TaskFailed, TaskGivenUp
from polyagent.domain.run import Admitted, Answer, IdempotencyKey
from polyagent.domain.task import TaskWork
from polyagent.ports.kinds import TaskControl
from polyagent.usecases.chat import SendChat
from polyagent.usecases.follow_run import FollowRun
from polyagent.usecases.runs import ManageRuns

ROUTE = "task"


class ChatResult(msgspec.Struct, frozen=True, kw_only=True):
    run_id: UUID
    session_id: UUID | None
    message: Message | None


class ChatTasks:
    """The payload is the body of POST /chat. However often it is tried, there is one run, unless that failed."""

    name = "chat"
    max_attempts: int | None = None
    timeout_s: float | None = None

    def __init__(self, send: SendChat, follow: FollowRun, runs: ManageRuns) -> None:
        self._send = send
        self._follow = follow
        self._runs = runs

    def check(self, actor: Actor, payload: dict[str, Any]) -> None:
        actor.require("chat")
        ask = payload_of(payload, Ask)
        if ask.document_ids or any(isinstance(part, FilePart) for part in ask.parts):
            actor.require("documents:read")
        for name, given in (("stream", ask.stream is not None), ("background", ask.background)):
            if given:
                fault = Fault(f"#/{name}", "A task is in the background: leave this out.")
                raise Invalid(fault.detail, faults=(fault,))

    async def __call__(self, work: TaskWork, control: TaskControl) -> ChatResult:
        actor = work.actor
        if actor is None:
            raise TaskGivenUp("There is nobody to ask for.")
        ask = payload_of(work.payload, Ask)
        if ask.end_user is None and work.end_user is not None:
            ask = msgspec.structs.replace(ask, end_user=work.end_user)
        admitted = await self._admitted(actor, work, ask)
        try:
            answer = await self._answer(actor, admitted)
        except BaseException:
            if control.is_over:
                await self._runs.cancel(actor, admitted.run.id)
            raise
        return _result(answer)

    async def _admitted(self, actor: Actor, work: TaskWork, ask: Ask) -> Admitted:
        """Admit the task's run, or attach to it; in the place of one that failed and may be tried again, another."""
        key = str(work.id)
        while True:
            admitted = await self._send(actor, ask, key=_key(key, work, ask))
            run = admitted.run
            if not admitted.replayed or run.error is None or not run.error.retryable:
                return admitted
            key = f"{work.id}/{run.id}"

    async def _answer(self, actor: Actor, admitted: Admitted) -> Answer:
        answer = Answer.begin(admitted.run)
        async with aclosing(self._follow.start(actor, admitted)) as events:
            async for event in events:
                if event is not None:
                    answer = answer.after(event.body)
        return answer


def _key(name: str, work: TaskWork, ask: Ask) -> IdempotencyKey:
    asked = hashlib.sha256(msgspec.json.encode(ask, order="deterministic")).digest()
    return IdempotencyKey(key=name, route=ROUTE, body_hash=asked, end_user=work.end_user)


def _result(answer: Answer) -> ChatResult:
    error = answer.error
    if error is not None and error.retryable:
        raise TaskFailed(f"The run {answer.run_id} failed ({error.code}): {error.detail}")
    if error is not None:
        raise TaskGivenUp(f"The run {answer.run_id} failed ({error.code}): {error.detail}")
    return ChatResult(run_id=answer.run_id, session_id=answer.session_id, message=answer.message)
