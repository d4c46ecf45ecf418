"""What a frame of each type looks like: one run, told from its beginning to each of its ends."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from polyagent.adapters.http.socket.frames import Error, Ok, Pong
from polyagent.domain import event
from polyagent.domain.chat import Message, TextPart
from polyagent.domain.event import EPOCH, Event
from polyagent.domain.usage import Usage

RUN, SESSION, MESSAGE, AGENT = (UUID(f"01990000-0000-7000-8000-00000000000{n}") for n in range(4))
AT = datetime(2026, 1, 1, tzinfo=UTC)
CALL, ARGUMENTS = "call_1", {"expression": "17*23"}
USAGE = Usage(input_tokens=120, output_tokens=9, total_tokens=129)
TEXT = "17 * 23 is 391."
ANSWER = Message(
    id=MESSAGE,
    session_id=SESSION,
    run_id=RUN,
    role="assistant",
    content=TEXT,
    parts=(TextPart(TEXT),),
    created_at=AT,
)

CLIENT: Mapping[str, Mapping[str, Any]] = {
    "chat": {"type": "chat", "id": "1", "message": "What is 17 * 23?"},
    "watch": {"type": "watch", "run_id": str(RUN), "after": EPOCH + 4},
    "unwatch": {"type": "unwatch", "run_id": str(RUN)},
    "cancel": {"type": "cancel", "run_id": str(RUN)},
    "auth": {"type": "auth", "token": "<access token or API key>"},
    "ping": {"type": "ping"},
}
REPLIES = (
    Ok(reply_to="1"),
    Error(code="not_found", detail="There is no such run.", retryable=False, reply_to="1"),
    Pong(),
)
BODIES: tuple[event.EventBody, ...] = (
    event.RunQueued(position=1),
    event.RunStarted(agent_id=AGENT, agent_version=1, attempt=1),
    event.RunResumed(attempt=2, reason="takeover", discard_step=1),
    event.ReasoningDelta(step=1, text="A calculation: "),
    event.ToolArgumentsDelta(step=1, tool_call_id=CALL, text='{"expr', name="calculator"),
    event.ToolCalled(step=1, tool_call_id=CALL, name="calculator", arguments=ARGUMENTS),
    event.ToolProgress(tool_call_id=CALL, text="half way"),
    event.ToolCompleted(tool_call_id=CALL, state="done", result=391),
    event.UsageReported(step=1, model="some-model", usage=USAGE),
    event.ContextCompacted(messages=12, summary_message_id=MESSAGE),
    event.MessageDelta(step=2, part=0, text="17 * 23 "),
    event.MessageCompleted(step=2, message=ANSWER, finish_reason="stop"),
    event.RunCompleted(message_id=MESSAGE, usage=USAGE),
    event.RunFailed(code="model_service_unavailable", detail="No answer in 30 s.", retryable=True),
    event.RunCancelled(reason="The user asked for it."),
)


def server() -> dict[str, Any]:
    """Return an example of each frame of the server, by its type."""
    events = (
        Event(id=EPOCH + n, run_id=RUN, session_id=SESSION, at=AT, body=body)
        for n, body in enumerate(BODIES, start=1)
    )
    found = [msgspec.json.decode(told.wire) for told in events]
    found += [msgspec.to_builtins(reply) for reply in REPLIES]
    return {frame["type"]: frame for frame in found}
