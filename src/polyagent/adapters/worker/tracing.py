"""The span of one execution of a run."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace

from polyagent.domain.conventions import AGENT_ID, CONVERSATION_ID, OPERATION, RUN_ID
from polyagent.domain.run import Run

_tracer = trace.get_tracer("polyagent.worker")


@contextmanager
def run_span(run: Run) -> Iterator[None]:
    with _tracer.start_as_current_span("invoke_agent") as span:
        if span.is_recording():
            about = {OPERATION: "invoke_agent", RUN_ID: str(run.id), AGENT_ID: str(run.agent_id)}
            span.set_attributes(about)
            if run.session_id is not None:
                span.set_attribute(CONVERSATION_ID, str(run.session_id))
        yield
