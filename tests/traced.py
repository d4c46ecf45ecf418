"""A chat with a tool, and what is heard of its trace: `python -m tests.traced TRACEPARENT [background|task]`.

A process of its own, since a process has one provider of spans for ever. Prints JSON: `heard` are the
headers that the model service got, `spans` those that were told.
"""

import asyncio
import json
import sys
from typing import Any

from dishka import Provider, Scope
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from polyagent.adapters.worker.tasks.runner import TaskRunner
from polyagent.ports.models import Models
from tests.api.house import SETTINGS, House
from tests.model_service import ModelService
from tests.openai.caller import caller

PATIENCE_S = 60


async def main(traceparent: str, how: str = "") -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    heard = await heard_of(traceparent, how)
    spans = [_told(span) for span in exporter.get_finished_spans()]
    print(json.dumps({"heard": heard, "spans": spans}))  # noqa: T201  # its answer


PATHS = {"": "/api/v1/chat", "background": "/api/v1/runs", "task": "/api/v1/tasks"}


async def heard_of(traceparent: str, how: str = "") -> list[str | None]:
    """Chat under a trace, and return what the model service heard of it at each call.

    In the background the run is queued, and whoever claims it was not asked by the client; nor was
    whoever does a task.
    """
    async with ModelService() as service, caller(service.url) as models:
        given = Provider(scope=Scope.APP)
        given.provide(lambda: models, provides=Models)
        async with House(SETTINGS, given).open() as house:
            ask: dict[str, Any] = {"message": 'call calculator {"expression": "1+1"}'}
            if how == "task":
                ask = {"kind": "chat", "payload": ask}
            headers = {"traceparent": traceparent, "tracestate": "a=b"}
            answer = await house.ann.post(PATHS[how], ask, **headers)
            assert answer.status == (202 if how else 200)
            if how == "background":
                await house.ann.get(f"/api/v1/runs/{answer.json['id']}/events")
            if how == "task":
                await _done(house, answer.json["id"])
        assert not any("tracestate" in headers for headers in service.headers)
        return [headers.get("traceparent") for headers in service.headers]


async def _done(house: House, task_id: str) -> None:
    """Do the task, which ends well."""
    async with (await house.container.get(TaskRunner)).running(), asyncio.timeout(PATIENCE_S):
        while (task := (await house.ann.get(f"/api/v1/tasks/{task_id}")).json)[
            "finished_at"
        ] is None:
            await asyncio.sleep(0.02)
    assert task["status"] == "succeeded", task


def _told(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context
    return {
        "name": span.name,
        "kind": span.kind.name,
        "trace": f"{context.trace_id:032x}",
        "id": f"{context.span_id:016x}",
        "parent": f"{span.parent.span_id:016x}" if span.parent else None,
        "attributes": dict(span.attributes or {}),
    }


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
