"""What is asked to be done, as a task that can be enqueued."""

from datetime import datetime
from typing import Any
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.errors import Fault, PolyAgentError
from polyagent.domain.ids import new_id
from polyagent.domain.task import TaskAsk, TaskDefaults, TaskToQueue
from polyagent.ports.kinds import Kind


def to_queue(
    ask: TaskAsk,
    user_id: UUID,
    kind: Kind | None,
    defaults: TaskDefaults,
    *,
    schedule_id: UUID | None = None,
    fire_at: datetime | None = None,
) -> TaskToQueue:
    """Return the task; what it does not say itself is as its kind says, or else the server."""
    given = (ask.max_attempts, kind.max_attempts if kind else None, defaults.max_attempts)
    limits_s = (ask.timeout_s, kind.timeout_s if kind else None, defaults.timeout_s)
    return TaskToQueue(
        id=new_id(),
        user_id=user_id,
        kind=ask.kind,
        payload=ask.payload,
        end_user=ask.end_user,
        priority=ask.priority,
        max_attempts=next(n for n in given if n is not None),
        timeout_s=next(s for s in limits_s if s is not None),
        schedule_id=schedule_id,
        fire_at=fire_at,
        metadata=ask.metadata,
    )


def require_payload(
    kind: Kind, actor: Actor, payload: dict[str, Any], *, pointer: str = "#/payload"
) -> None:
    """Let the kind look at the payload, which is at `pointer` in the body of the request."""
    try:
        kind.check(actor, payload)
    except PolyAgentError as error:
        error.faults = tuple(
            Fault(pointer + fault.pointer.removeprefix("#"), fault.detail) for fault in error.faults
        )
        raise
