"""The span of one call of a model, and what the service hears of its trace."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace

from polyagent.domain.conventions import (
    ERROR_TYPE,
    INPUT_TOKENS,
    OPERATION,
    OUTPUT_TOKENS,
    PROVIDER,
    REQUEST_MODEL,
    RESPONSE_MODEL,
    SERVER_ADDRESS,
)
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.model import Finished, ModelDelta

_tracer = trace.get_tracer("polyagent.model_service")


@contextmanager
def call_span(model: str, host: str) -> Iterator[trace.Span]:
    """Give a span that is nobody's current one: whoever reads a stream may end it from another context."""
    span = _tracer.start_span(f"chat {model}", kind=trace.SpanKind.CLIENT)
    if span.is_recording():
        about = {OPERATION: "chat", PROVIDER: "openai", REQUEST_MODEL: model, SERVER_ADDRESS: host}
        span.set_attributes(about)
    try:
        yield span
    except PolyAgentError as error:
        span.set_attribute(ERROR_TYPE, error.code)
        span.set_status(trace.StatusCode.ERROR)
        raise
    finally:
        if span.is_recording():
            span.end()


def note(span: trace.Span, delta: ModelDelta) -> None:
    if isinstance(delta, Finished) and span.is_recording():
        span.set_attribute(RESPONSE_MODEL, delta.model)
        span.set_attribute(INPUT_TOKENS, delta.usage.input_tokens)
        span.set_attribute(OUTPUT_TOKENS, delta.usage.output_tokens)


def traceparent(span: trace.Span) -> str | None:
    """Return the header that leads back to this span; `tracestate` is nobody's business out there.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
