"""What runs leave behind in memory: their events, their messages, and what goes on from them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.state import CallRow, MessageRow, RunRow, State, UsageRow
from polyagent.adapters.memory.tasks.outbox import Outbox
from polyagent.domain.chat import Message, Session, text_of
from polyagent.domain.event import EPOCH, Event, EventBody, ToolCompleted, UsageReported
from polyagent.domain.run import Lease, Run, Work

HISTORY = 400


class Ledger:
    def __init__(self, state: State) -> None:
        self._state = state

    def put(self, row: RunRow) -> None:
        spec = row.spec.when_over() if row.run.is_final else row.spec
        self._state.runs[row.run.id] = replace(row, spec=spec)

    def tell(self, row: RunRow, event_id: int, at: datetime, body: EventBody) -> None:
        run = row.run
        event = Event(id=event_id, run_id=run.id, session_id=run.session_id, at=at, body=body)
        self._state.events[run.id].append(event)

    def write(self, row: RunRow, events: Sequence[Event]) -> None:
        """Enter the events of a step, and in the account what calls of a model have used."""
        self._state.events[row.run.id].extend(events)
        self._state.usage += [
            UsageRow(
                run_id=row.run.id,
                at=event.at,
                workspace_id=row.workspace_id,
                user_id=row.user_id,
                agent_id=row.run.agent_id,
                end_user=row.end_user,
                model=event.body.model,
                usage=event.body.usage,
            )
            for event in events
            if isinstance(event.body, UsageReported)
        ]

    def ask(self, row: RunRow, at: datetime) -> None:
        """Let the user's message enter the session."""
        run = row.run
        message = Message(
            id=cast(UUID, run.message_id),  # decided at admission
            session_id=run.session_id,
            run_id=run.id,
            role="user",
            content=text_of(row.spec.parts),
            parts=row.spec.parts,
            created_at=at,
        )
        self.say(row, 0, message, at)

    def say(
        self, row: RunRow, step: int, message: Message, at: datetime, *, covers: UUID | None = None
    ) -> None:
        """Enter a message; `covers` is the last one that it, a summary, stands for."""
        bare = replace(message, tool_calls=())
        upto = next((said.seq for said in self._talk(row) if said.message.id == covers), None)
        said = MessageRow(seq=self._state.next_seq(), step=step, message=bare, covers=upto)
        self._state.messages[row.run.id].append(said)
        if (session := self._session(row)) is not None:
            self._state.sessions[session.id] = replace(
                session, message_count=session.message_count + 1, updated_at=at
            )

    def end(self, row: RunRow, after: int, at: datetime, last: EventBody) -> None:
        """Record a run that ended while nobody executes it; `after` is its last event so far."""
        self.put(row)
        self._state.events[row.run.id] += self.endings(row.run, after, at, last)
        self._state.calls[row.run.id] = self.dropped(row.run.id)
        Outbox(self._state).run(row, at)

    def dropped(self, run_id: UUID) -> list[CallRow]:
        """Return the run's calls, open ones cancelled, so that each that was asked for has an answer."""
        return [
            replace(row, call=replace(row.call, state="cancelled")) if row.call.is_open else row
            for row in self._state.calls[run_id]
        ]

    def endings(self, run: Run, after: int, at: datetime, last: EventBody) -> list[Event]:
        """Return the events of such an end: each call that is open, then `last`."""
        calls = [row.call for row in self._state.calls[run.id] if row.call.is_open]
        bodies = (*(ToolCompleted(call.id, "cancelled") for call in calls), last)
        return [
            Event(id=n, run_id=run.id, session_id=run.session_id, at=at, body=body)
            for n, body in enumerate(bodies, after + 1)
        ]

    def told(self, row: RunRow) -> Run:
        if row.run.status != "queued":
            return row.run
        return replace(row.run, position=1 + sum(self._waits_before(row)))

    def _waits_before(self, row: RunRow) -> Iterator[bool]:
        if row.run.session_id is None:
            return
        for other in self._state.runs_of(row.run.session_id):
            yield other.run.status == "queued" and other.seq < row.seq

    def history(self, session_id: UUID, *, before: UUID | None = None) -> tuple[Message, ...]:
        """Return the newest messages of a session that no summary stands for, oldest first.

        Without those of the run `before`.
        """
        rows = _uncovered([*self._state.messages_of(session_id)])
        left = [row for row in rows if row.message.run_id != before]
        return tuple(map(self._state.message_as_told, left[-HISTORY:]))

    def summary(self, session_id: UUID) -> Message | None:
        return _summary(self._state.messages_of(session_id))

    def _talk(self, row: RunRow) -> Iterator[MessageRow]:
        """Return the messages of a run's session, or of the run that has none."""
        if row.run.session_id is not None:
            return self._state.messages_of(row.run.session_id)
        return iter(self._state.messages[row.run.id])

    def _steps(self, row: RunRow) -> tuple[Message, ...]:
        left = {said.seq for said in _uncovered([*self._talk(row)])}
        return tuple(
            self._state.message_as_told(said)
            for said in self._state.messages[row.run.id]
            if said.message.role == "user" or said.seq in left
        )

    def work(self, row: RunRow, worker_id: UUID) -> Work:
        run, session_id = row.run, row.run.session_id
        return Work(
            lease=Lease(run.id, row.epoch, worker_id),
            run=run,
            workspace_id=row.workspace_id,
            user_id=row.user_id,
            spec=row.spec,
            begun=self._begun(row),
            history=self.history(session_id, before=run.id) if session_id else (),
            steps=self._steps(row),
            summary=_summary(self._talk(row)),
            cancel_asked=row.cancel_at is not None,
        )

    def _begun(self, row: RunRow) -> Event:
        first = row.epoch * EPOCH + 1
        return next(event for event in self._state.events[row.run.id] if event.id == first)

    def _session(self, row: RunRow) -> Session | None:
        return self._state.sessions.get(row.run.session_id) if row.run.session_id else None


def _newest_summary(rows: Iterable[MessageRow]) -> MessageRow | None:
    summaries = (row for row in rows if row.covers is not None)
    return max(summaries, key=lambda row: row.seq, default=None)


def _summary(rows: Iterable[MessageRow]) -> Message | None:
    newest = _newest_summary(rows)
    return newest.message if newest else None


def _uncovered(rows: Sequence[MessageRow]) -> list[MessageRow]:
    newest = _newest_summary(rows)
    upto = newest.covers or 0 if newest else 0
    left = [row for row in rows if row.covers is None and row.seq > upto]
    return sorted(left, key=lambda row: row.seq)
