"""The trace that a request belongs to. https://www.w3.org/TR/trace-context/"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import structlog
from litestar.types import HTTPScope
from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from polyagent.adapters.http.edge.answer import Answer
from polyagent.adapters.http.edge.head import Head
from polyagent.domain.conventions import (
    ERROR_TYPE,
    HTTP_METHOD,
    HTTP_ROUTE,
    HTTP_STATUS,
    REQUEST_ID,
)

_read = TraceContextTextMapPropagator().extract
_tracer = trace.get_tracer("polyagent.http")


def traced(scope: HTTPScope, head: Head, answer: Answer) -> AbstractContextManager[None]:
    """Return the span of a request; where nobody listens it only hands on what the client sent, if anything."""
    if b"traceparent" in head or _is_heard():
        return _span(scope, head, answer)
    return nullcontext()


def _is_heard() -> bool:
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


@contextmanager
def _span(scope: HTTPScope, head: Head, answer: Answer) -> Iterator[None]:
    carrier = {
        name: head[name.encode()].decode("latin-1")
        for name in ("traceparent", "tracestate")
        if name.encode() in head
    }
    method = scope["method"]
    with _tracer.start_as_current_span(
        method, context=_read(carrier), kind=trace.SpanKind.SERVER
    ) as span:
        context = span.get_span_context()
        if not context.is_valid:
            yield
            return
        with structlog.contextvars.bound_contextvars(trace_id=f"{context.trace_id:032x}"):
            try:
                yield
            finally:
                _describe(span, scope, method, answer.status)


def _describe(span: trace.Span, scope: HTTPScope, method: str, status: int) -> None:
    route = scope.get("path_template")
    if route:
        span.update_name(f"{method} {route}")
        span.set_attribute(HTTP_ROUTE, route)
    span.set_attribute(HTTP_METHOD, method)
    span.set_attribute(HTTP_STATUS, status)
    span.set_attribute(REQUEST_ID, scope["state"]["request_id"])
    if status >= 500:
        span.set_attribute(ERROR_TYPE, str(status))
        span.set_status(trace.StatusCode.ERROR)
