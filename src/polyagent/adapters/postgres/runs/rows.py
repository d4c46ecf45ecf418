"""From rows to the domain: columns that hold JSON are decoded straight into its Structs."""

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from polyagent.domain.agent import Agent
from polyagent.domain.chat import Citation, Message, MessageRole, Part, Session, text_of
from polyagent.domain.event import Event
from polyagent.domain.queue import Entry, who
from polyagent.domain.run import Lease, Run, Spec, Work
from polyagent.domain.tool import ToolCall


class _MessageRow(msgspec.Struct):
    id: UUID
    session_id: UUID | None
    run_id: UUID
    role: MessageRole
    parts: tuple[Part, ...]
    tool_calls: tuple[ToolCall, ...]
    citations: tuple[Citation, ...]
    incomplete: bool
    created_at: datetime

    def message(self) -> Message:
        return Message(content=text_of(self.parts), **msgspec.structs.asdict(self))


class _EntryRow(msgspec.Struct):
    """`end_user` is that of an application; others take turns as one."""

    id: UUID
    priority: int
    user_id: UUID
    end_user: str | None

    def entry(self) -> Entry:
        return Entry(id=self.id, priority=self.priority, who=who(self.user_id, self.end_user))


agent_of = msgspec.json.Decoder(Agent).decode
session_of = msgspec.json.Decoder(Session).decode
run_of = msgspec.json.Decoder(Run).decode
event_of = msgspec.json.Decoder(Event).decode
events_of = msgspec.json.Decoder(list[Event]).decode

_spec_of = msgspec.json.Decoder(Spec).decode
_message_rows = msgspec.json.Decoder(list[_MessageRow]).decode
_message_row = msgspec.json.Decoder(_MessageRow).decode
_entry_row = msgspec.json.Decoder(_EntryRow).decode
_entry_rows = msgspec.json.Decoder(list[_EntryRow]).decode


def entry_of(text: str) -> Entry:
    return _entry_row(text).entry()


def entries_of(text: str) -> list[Entry]:
    return [row.entry() for row in _entry_rows(text)]


def summary_of(text: str | None) -> Message | None:
    return None if text is None else _message_row(text).message()


def messages_of(text: str) -> tuple[Message, ...]:
    return tuple(row.message() for row in _message_rows(text))


def work_of(row: asyncpg.Record) -> Work:
    """Raises `msgspec.DecodeError` for what another version wrote."""
    run = run_of(row["run"])
    return Work(
        lease=Lease(run.id, row["epoch"], row["owner"]),
        run=run,
        workspace_id=row["workspace_id"],
        user_id=row["user_id"],
        spec=_spec_of(row["spec"]),
        begun=event_of(row["begun"]),
        history=messages_of(row["history"]),
        steps=messages_of(row["steps"]),
        summary=summary_of(row["summary"]),
        cancel_asked=row["cancel_asked"],
    )
