"""What handlers' types cannot say: other statuses, streams, and headers that depend on what is asked."""

from typing import Any

from polyagent.adapters.http.openapi.examples import (
    CHUNKS_EXAMPLE,
    STREAM_EXAMPLE,
    TICKETS,
    example,
)
from polyagent.adapters.http.openapi.headers import referring
from polyagent.adapters.http.openapi.tidy import SCHEMAS
from polyagent.domain.documents.filetype import OFFICE, PDF, TEXTS

Said = dict[str, Any]

JSON = "application/json"
STREAM = "text/event-stream"
EVENTS: Said = {
    "schema": {
        "type": "string",
        "description": (
            "Frames of `id`, `event` and `data`; `data` is an `Event` as JSON, `event` its type and `id` "
            "its id. Lines that begin with a colon keep the connection open. The run's last event is "
            "`run.completed`, `run.failed` or `run.cancelled`; a stream that ends without one ends with "
            "`retry`: go on behind the last id."
        ),
    },
    "example": STREAM_EXAMPLE,
}
FORM: Said = {
    "schema": {
        "type": "object",
        "properties": {
            "file": {"type": "string", "format": "binary"},
            "collection": {"type": "string", "minLength": 1, "maxLength": 200},
            "visibility": {"type": "string", "enum": ["private", "shared"], "default": "private"},
            "metadata": {"type": "object", "description": "As JSON."},
        },
        "required": ["file"],
        "additionalProperties": False,
    },
    "example": {"file": "what is in the file", "collection": "reports"},
    "encoding": {"metadata": {"contentType": JSON}},
}
CHUNKS: Said = {
    "schema": {
        "type": "string",
        "description": (
            "Frames of `data`, each a `chat.completion.chunk` as JSON; the last is `[DONE]`."
        ),
    },
    "example": CHUNKS_EXAMPLE,
}


def amend(operations: dict[str, Said]) -> None:
    """`operations` are by id."""
    _chat(operations["send_chat"])
    _stream(operations["stream_chat"])
    _runs(operations["create_run"])
    _events(operations["list_run_events"])
    _completions(operations["complete_chat"])
    _tasks(operations["create_task"])
    _documents(operations)
    _texts(operations)
    tickets = operations["create_ticket"]["requestBody"]["content"][JSON]
    tickets["examples"] = TICKETS
    operations["trigger_schedule"]["responses"]["202"]["headers"] |= referring(["Location"])
    for noun in ("Agent", "Schedule"):
        patch = operations[f"update_{noun.lower()}"]["requestBody"]["content"][JSON]
        patch["schema"] = _named(f"Patch{noun}")


def _chat(chat: Said) -> None:
    whole = chat["responses"]["200"]
    whole["description"] = "The run's end, or, with `stream`, its events"
    chat["responses"]["202"] = {
        "description": "The run goes on: what there is so far; with `background`, the run itself",
        "headers": {**whole["headers"], **referring(["Location"])},
        "content": {
            JSON: {
                "schema": {"anyOf": [_named("Answer"), _named("Run")]},
                "examples": {
                    "late": {"value": example("Answer") | {"status": "running", "message": None}},
                    "background": {"value": example("Run")},
                },
            }
        },
    }
    whole["content"] = {
        JSON: {
            "schema": {"anyOf": [_named("Answer"), _named("Run")]},
            "example": example("Answer"),
        },
        STREAM: EVENTS,
    }
    whole["headers"] |= referring(["Content-Location"])


def _stream(stream: Said) -> None:
    followed = stream["responses"]["200"]
    followed["content"] = {STREAM: EVENTS}
    followed["headers"] |= referring(["Content-Location"])
    stream["responses"]["204"] = {
        "description": "Nothing is left of a run that has ended, behind `Last-Event-ID`",
        "headers": {k: v for k, v in followed["headers"].items() if k != "Content-Location"},
    }


def _runs(create: Said) -> None:
    accepted = create["responses"]["202"]
    accepted["headers"] |= referring(["Location"])
    create["responses"]["200"] = {
        **accepted,
        "description": "It was made before under this `Idempotency-Key`, and has ended",
    }


def _tasks(create: Said) -> None:
    accepted = create["responses"]["202"]
    accepted["headers"] |= referring(["Location"])
    create["responses"]["200"] = {
        **accepted,
        "description": "The live task that has this `unique_key`",
    }


def _documents(operations: dict[str, Said]) -> None:
    upload, content = operations["upload_document"], operations["get_document_content"]
    upload["requestBody"] = {"required": True, "content": {"multipart/form-data": FORM}}
    accepted = upload["responses"]["202"]
    accepted["headers"] |= referring(["Location"])
    upload["responses"]["200"] = {
        **accepted,
        "description": "The document that has these bytes already",
    }
    kinds = sorted({PDF, *OFFICE.values(), *TEXTS.values()})
    content["responses"]["200"]["content"] = {
        kind: {"schema": {"type": "string", "format": "binary"}, "example": "what was uploaded"}
        for kind in kinds
    }


def _events(follow: Said) -> None:
    followed = follow["responses"]["200"]
    followed["content"] = {STREAM: EVENTS, JSON: {"schema": _named("EventPage")}}
    headers = dict(followed["headers"])
    followed["headers"] = headers | referring(["Content-Location"])
    follow["responses"]["204"] = {
        "description": "Nothing is left of a run that has ended",
        "headers": headers,
    }


def _completions(complete: Said) -> None:
    completed = complete["responses"]["200"]
    completed["headers"] |= referring(["X-Run-ID"])
    completed["content"][STREAM] = CHUNKS


def _texts(operations: dict[str, Said]) -> None:
    problem = operations["get_problem"]["responses"]["200"]
    problem["content"] = {
        JSON: {"schema": _named("ProblemKind")},
        "text/html": {"schema": {"type": "string"}},
    }
    metrics = operations["get_metrics"]["responses"]["200"]
    metrics["content"] = {"text/plain": {"schema": {"type": "string"}}}


def _named(name: str) -> Said:
    return {"$ref": SCHEMAS + name}
