"""Examples of what clients send and get, by the name of its schema."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from polyagent import __version__
from polyagent.adapters.http.routes.health import Alive
from polyagent.adapters.http.routes.problems import ProblemKind
from polyagent.adapters.http.stream import frame
from polyagent.domain.account import DEFAULT_WORKSPACE, User
from polyagent.domain.agent import Agent
from polyagent.domain.api_key import ApiKey, MadeApiKey
from polyagent.domain.audit import AuditEntry
from polyagent.domain.chat import Message, Session, TextPart
from polyagent.domain.documents.document import Chunk, Document
from polyagent.domain.documents.filetype import PDF
from polyagent.domain.documents.retrieval import NO_EMBEDDINGS, FoundPassages, Passage
from polyagent.domain.event import (
    Event,
    EventBody,
    MessageCompleted,
    MessageDelta,
    RunCompleted,
    RunStarted,
)
from polyagent.domain.health import Component, Health
from polyagent.domain.run import Answer, Run
from polyagent.domain.schedule import NewSchedule, made
from polyagent.domain.task import Attempt, Task, TaskAsk, TaskStats
from polyagent.domain.ticket import Ticket
from polyagent.domain.tool import Executed, Tool
from polyagent.domain.usage import DEFAULT_SPAN, Sums, Usage, UsageGroup, UsageReport
from polyagent.domain.webhook import Delivery, MadeWebhook, Webhook

PAGE = "Page"


def _id(number: int) -> UUID:
    return UUID(f"01990000-0000-7000-8000-{number:012}")


USER, AGENT, SESSION, RUN, MESSAGE, KEY, ENTRY, TASK, SCHEDULE, HOOK = map(_id, range(1, 11))
DOCUMENT, CHUNK = _id(11), _id(12)
AT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
QUESTION, ANSWER = "What is 17 * 23?", "17 * 23 = 391."
USAGE = Usage(input_tokens=42, output_tokens=9, total_tokens=51)

_MESSAGE = Message(
    id=MESSAGE,
    session_id=SESSION,
    run_id=RUN,
    role="assistant",
    content=ANSWER,
    parts=(TextPart(ANSWER),),
    created_at=AT,
)
_KEY: dict[str, Any] = {
    "id": KEY,
    "user_id": USER,
    "name": "nightly report",
    "scopes": ["chat", "agents:read"],
    "prefix": f"pa_{KEY.hex}",
    "created_at": AT,
}
_SUMS: dict[str, Any] = {
    "runs": 3,
    "calls": 4,
    "input_tokens": 900,
    "cached_input_tokens": 640,
    "output_tokens": 120,
    "reasoning_tokens": 0,
    "total_tokens": 1020,
    "estimated_tokens": 0,
    "cost": 0.0031,
}
_SCHEDULE = NewSchedule(
    name="morning report",
    cron="30 7 * * 1-5",
    timezone="Europe/Berlin",
    task=TaskAsk(kind="chat", payload={"message": "What is new?", "agent_type": "research"}),
)
_HEARD: dict[str, Any] = {"url": "https://example.com/hook", "events": ["run.completed"]}
_HOOK = {"id": HOOK, "user_id": USER, **_HEARD, "created_at": AT, "updated_at": AT}
_EVENT_BODIES: tuple[EventBody, ...] = (
    RunStarted(agent_id=AGENT, agent_version=1, attempt=1),
    MessageDelta(step=1, part=0, text=ANSWER),
    MessageCompleted(step=1, message=_MESSAGE, finish_reason="stop"),
    RunCompleted(message_id=MESSAGE, usage=USAGE),
)
_EVENTS = [
    Event(id=10_000_001 + n, run_id=RUN, session_id=SESSION, at=AT, body=body)
    for n, body in enumerate(_EVENT_BODIES)
]
STREAM_EXAMPLE = b"".join(map(frame, _EVENTS)).decode()
CHUNKS_EXAMPLE = (
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767605400,'
    '"model":"agent/general","choices":[{"index":0,"delta":{"content":"391"},"finish_reason":null}]}'
    "\n\ndata: [DONE]\n\n"
)
TICKETS = {
    "socket": {"value": {"for": "/ws"}},
    "session": {"value": {"for": f"/ws/chat/{SESSION}"}},
    "run": {"value": {"for": f"/api/v1/runs/{RUN}/events"}},
}
_OFFER = {"id": "agent/general", "object": "model", "created": 1767605400, "owned_by": "polyagent"}

ASKED: dict[str, Any] = {
    "Login": {"username": "ann", "password": "a long password"},
    "Registration": {
        "username": "ann",
        "email": "ann@example.com",
        "password": "a long password",
    },
    "Refresh": {"refresh_token": "what the last login or refresh gave"},
    "NewUser": {
        "username": "ann",
        "email": "ann@example.com",
        "password": "a long password",
        "role": "member",
    },
    "PatchProfile": {"email": "ann@example.com", "settings": {"theme": "dark"}},
    "PutProfile": {"email": "ann@example.com", "settings": {}},
    "PatchUser": {"role": "viewer"},
    "NewApiKey": {"name": "nightly report", "scopes": ["chat", "agents:read"]},
    "NewAgent": {
        "name": "Reckoner",
        "instructions": "You reckon, and say how.",
        "tools": ["calculator"],
        "model_settings": {"temperature": 0.2},
    },
    "PatchAgent": {"description": "Reckons.", "model": None},
    "NewSchedule": _SCHEDULE,
    "PatchSchedule": {"cron": "30 8 * * 1-5", "task": {"priority": 7}},
    "Ask": {"message": QUESTION, "agent_type": "general"},
    "NewTask": {"kind": "chat", "payload": {"message": QUESTION}, "unique_key": "nightly"},
    "NewWebhook": _HEARD,
    "PatchWebhook": {"status": "active"},
    "IndexAgain": {"document_ids": [DOCUMENT]},
    "ForkSession": {"message_id": MESSAGE},
    "PatchSession": {"title": "Reckoning"},
    "SearchDocuments": {"query": "notice period", "top_k": 5},
    "ExecuteTool": {"name": "calculator", "arguments": {"expression": "17 * 23"}},
    "CompletionRequest": {
        "model": "agent/general",
        "messages": [{"role": "user", "content": QUESTION}],
    },
}

_DOCUMENT = Document(
    id=DOCUMENT,
    workspace_id=DEFAULT_WORKSPACE,
    owner_id=USER,
    filename="report.pdf",
    content_type=PDF,
    size_bytes=48_213,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    status="indexed",
    progress=1.0,
    chunk_count=12,
    created_at=AT,
    indexed_at=AT,
)

TOLD: dict[str, Any] = {
    "Tokens": {
        "access_token": "eyJhbGciOi...",
        "refresh_token": "rt_...",
        "token_type": "Bearer",
        "expires_in": 900,
    },
    "User": User(
        id=USER,
        workspace_id=DEFAULT_WORKSPACE,
        username="ann",
        email="ann@example.com",
        role="member",
        created_at=AT,
        updated_at=AT,
    ),
    "ApiKey": ApiKey(**_KEY),
    "MadeApiKey": MadeApiKey(**_KEY, secret=f"pa_{KEY.hex}_..."),
    "AuditEntry": AuditEntry(id=ENTRY, at=AT, actor_id=USER, action="login", client="192.0.2.1"),
    "Ticket": Ticket(ticket="ti_...", expires_at=AT),
    "Agent": Agent(
        name="Reckoner",
        instructions="You reckon, and say how.",
        tools=("calculator",),
        id=AGENT,
        workspace_id=DEFAULT_WORKSPACE,
        owner_id=USER,
        version=1,
        created_at=AT,
        updated_at=AT,
    ),
    "Task": Task(
        id=TASK,
        workspace_id=DEFAULT_WORKSPACE,
        user_id=USER,
        kind="chat",
        status="queued",
        priority=5,
        payload=_SCHEDULE.task.payload,
        schedule_id=SCHEDULE,
        max_attempts=3,
        timeout_s=600.0,
        next_attempt_at=AT,
        created_at=AT,
    ),
    "Schedule": made(
        _SCHEDULE,
        id=SCHEDULE,
        workspace_id=DEFAULT_WORKSPACE,
        user_id=USER,
        version=1,
        next_fire_at=_SCHEDULE.next_after(AT),
        created_at=AT,
        updated_at=AT,
    ).told(),
    "Answer": Answer(
        run_id=RUN, session_id=SESSION, status="completed", message=_MESSAGE, usage=USAGE
    ),
    "Message": _MESSAGE,
    "Session": Session(
        id=SESSION,
        workspace_id=DEFAULT_WORKSPACE,
        user_id=USER,
        title=QUESTION,
        message_count=2,
        created_at=AT,
        updated_at=AT,
    ),
    "Run": Run(
        id=RUN,
        session_id=SESSION,
        agent_id=AGENT,
        agent_version=1,
        status="queued",
        position=1,
        created_at=AT,
    ),
    "Webhook": Webhook(**_HOOK),
    "MadeWebhook": MadeWebhook(**_HOOK | {"secret": "whsec_..."}),
    "Delivery": Delivery(
        id=TASK,
        webhook_id=HOOK,
        message_id=f"msg_{TASK.hex}",
        type="run.completed",
        status="succeeded",
        attempts=(Attempt(number=1, started_at=AT, finished_at=AT),),
        created_at=AT,
        finished_at=AT,
    ),
    "Document": _DOCUMENT,
    "Chunk": Chunk(
        id=CHUNK,
        document_id=DOCUMENT,
        n=0,
        text="The year in figures",
        page=1,
        start=0,
        end=19,
        headings=("The year in figures",),
        tokens=5,
    ),
    "TaskStats": TaskStats(kind="chat", status="succeeded", count=12, attempts=13, mean_run_s=4.2),
    "Tool": Tool(
        name="calculator",
        description="Reckons.",
        parameters={"type": "object", "properties": {"expression": {"type": "string"}}},
        effect="read",
    ),
    "FoundPassages": FoundPassages(
        items=[
            Passage(
                document_id=DOCUMENT,
                filename="lease.pdf",
                chunk_id=CHUNK,
                text="The notice period is three months.",
                page=4,
                start=9120,
                end=9154,
                score=7.31,
            )
        ],
        mode="text",
        note=NO_EMBEDDINGS,
    ),
    "Executed": Executed(state="done", result={"value": 391}, duration_ms=0.4),
    "EventPage": {
        "items": [msgspec.json.decode(event.wire) for event in _EVENTS],
        "next_after": _EVENTS[-1].id,
        "ended": True,
    },
    "Alive": Alive(),
    "Health": Health(
        status="ok",
        version=__version__,
        components={"postgres": Component(status="ok", latency_ms=0.6)},
    ),
    "ProblemKind": ProblemKind(
        "/problems/name_taken",
        "name_taken",
        "Name taken",
        409,
        "Choose another name: this one is in use.",
    ),
    "UsageReport": UsageReport(
        items=[UsageGroup(day=f"{AT:%Y-%m-%d}", **_SUMS)],
        total=Sums(**_SUMS),
        begin=AT - DEFAULT_SPAN,
        end=AT,
    ),
    "ModelOffer": _OFFER,
    "ModelOffers": {"object": "list", "data": [_OFFER]},
    "CompletionResponse": {
        "id": f"chatcmpl-{RUN}",
        "object": "chat.completion",
        "created": 1767605400,
        "model": "agent/general",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": ANSWER, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 42,
            "completion_tokens": 9,
            "total_tokens": 51,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
            "estimated": False,
        },
    },
}


def example(name: str) -> Any:
    """Return the example of a named schema, as JSON values."""
    if name in ASKED:
        return msgspec.to_builtins(ASKED[name])
    if name not in TOLD and name.endswith(PAGE):
        return {"items": [example(name.removesuffix(PAGE))], "next_cursor": None}
    return msgspec.to_builtins(TOLD[name])
