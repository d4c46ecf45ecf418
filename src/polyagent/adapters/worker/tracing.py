"""The span of one execution of a run, in the trace of the request that the run came with."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from polyagent.domain.conventions import AGENT_ID, CONVERSATION_ID, OPERATION, RUN_ID
from polyagent.domain.run import Work

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
    with _tracer.start_as_current_span("invoke_agent", context=_context(work)) as span:
        if span.is_recording():
            about = {OPERATION: "invoke_agent", RUN_ID: str(run.id), AGENT_ID: str(run.agent_id)}
            span.set_attributes(about)
            if run.session_id is not None:
                span.set_attribute(CONVERSATION_ID, str(run.session_id))
        yield


def _context(work: Work) -> Context | None:
    """Return where its request's trace goes on; None where that is the current one."""
    asked = work.spec.traceparent
    return (
        None if asked is None or asked == traceparent() else _propagator.extract({_HEADER: asked})
    )
