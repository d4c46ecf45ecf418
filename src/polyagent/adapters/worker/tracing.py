"""The spans of one execution of a run and of one attempt at a task, in the trace of who asked for it."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from polyagent.domain.conventions import (
    AGENT_ID,
    CONVERSATION_ID,
    OPERATION,
    RUN_ID,
    TASK_ID,
    TASK_KIND,
)
from polyagent.domain.run import Work
from polyagent.domain.task import TaskWork

_HEADER = "traceparent"

_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("polyagent.worker")


def traceparent() -> str | None:
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(_HEADER)


@contextmanager
def run_span(work: Work) -> Iterator[None]:
    run = work.run
    context = _context(work.spec.traceparent)
    with _tracer.start_as_current_span("invoke_agent", context=context) as span:
        if span.is_recording():
            about = {OPERATION: "invoke_agent", RUN_ID: str(run.id), AGENT_ID: str(run.agent_id)}
            span.set_attributes(about)
            if run.session_id is not None:
                span.set_attribute(CONVERSATION_ID, str(run.session_id))
        yield


@contextmanager
def task_span(work: TaskWork) -> Iterator[None]:
    context = _context(work.traceparent)
    with _tracer.start_as_current_span(f"task {work.kind}", context=context) as span:
        if span.is_recording():
            span.set_attributes({TASK_ID: str(work.id), TASK_KIND: work.kind})
        yield


def _context(asked: str | None) -> Context | None:
    """Return where its request's trace goes on; None where that is the current one."""
    return (
        None if asked is None or asked == traceparent() else _propagator.extract({_HEADER: asked})
    )
