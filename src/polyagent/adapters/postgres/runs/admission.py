"""What an admission leaves in this process, without reading it back."""

from datetime import datetime
from uuid import UUID

import asyncpg

from polyagent.domain.account import Actor
from polyagent.domain.chat import Message, text_of
from polyagent.domain.event import EPOCH, Event, RunStarted
from polyagent.domain.run import Lease, NewRun, Run, Work
from polyagent.ports.runs import Ground


def is_fresh(ground: Ground, message_count: int | None) -> bool:
    """Say whether the history is as it was read: no run was or has been at work on it since."""
    if message_count is None:
        return True  # a new session has none
    session = ground.session
    return (
        session is not None and session.status == "idle" and session.message_count == message_count
    )


def run_as_told(new: NewRun, row: asyncpg.Record) -> Run:
    is_queued = row["status"] == "queued"
    return Run(
        id=new.id,
        session_id=new.session_id,
        agent_id=new.agent_id,
        agent_version=new.agent_version,
        status=row["status"],
        priority=new.priority,
        position=row["position"] if is_queued else None,
        message_id=new.message_id,
        created_at=row["created_at"],
        started_at=None if is_queued else row["created_at"],
        metadata=new.metadata,
    )


def work_on(actor: Actor, new: NewRun, run: Run, ground: Ground, worker_id: UUID) -> Work:
    return Work(
        lease=Lease(run.id, 1, worker_id),
        run=run,
        workspace_id=actor.workspace_id,
        user_id=actor.user_id,
        spec=new.spec,
        begun=_begun(run),
        history=ground.history,
        summary=ground.summary,
        steps=(_asked(new, run.created_at),),
    )


def _begun(run: Run) -> Event:
    """Return the event that admission has journaled."""
    started = RunStarted(run.agent_id, run.agent_version, run.attempt)
    return Event(
        id=EPOCH + 1, run_id=run.id, session_id=run.session_id, at=run.created_at, body=started
    )


def _asked(new: NewRun, at: datetime) -> Message:
    return Message(
        id=new.message_id,
        session_id=new.session_id,
        run_id=new.id,
        role="user",
        content=text_of(new.spec.parts),
        parts=new.spec.parts,
        created_at=at,
    )
