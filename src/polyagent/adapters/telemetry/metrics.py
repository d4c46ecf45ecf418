"""Metrics for Prometheus. No label tells users or runs apart: their number has no bound."""

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

from polyagent.domain.run import RunStatus
from polyagent.domain.usage import Usage

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
FIRST_TOKEN_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class PrometheusMeter:
    """Counts for one process, in a registry of its own."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._registry = registry
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._requests = Counter(
            "polyagent_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=registry,
        )
        self._request_s = Histogram(
            "polyagent_request_seconds",
            "From the request's head to its answer's last byte.",
            ("method", "route"),
            registry=registry,
        )
        self._runs = Counter("polyagent_runs", "Runs ended.", ("status",), registry=registry)
        self._tokens = Counter("polyagent_tokens", "Tokens used.", ("kind",), registry=registry)
        self._refusals = Counter(
            "polyagent_limited", "Requests refused by a limit.", ("limit",), registry=registry
        )
        self._first_token_s = Histogram(
            "polyagent_first_token_seconds",
            "From a run's start to its first text.",
            buckets=FIRST_TOKEN_S,
            registry=registry,
        )

    def run_ended(self, status: RunStatus) -> None:
        self._runs.labels(status).inc()

    def tokens_used(self, usage: Usage) -> None:
        self._tokens.labels("input").inc(usage.input_tokens)
        self._tokens.labels("cached_input").inc(usage.cached_input_tokens)
        self._tokens.labels("output").inc(usage.output_tokens)
        self._tokens.labels("reasoning").inc(usage.reasoning_tokens)

    def first_token(self, seconds: float) -> None:
        self._first_token_s.observe(seconds)

    def observe_refusal(self, limit: str) -> None:
        self._refusals.labels(limit).inc()

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        known = method if method in METHODS else "other"
        count, histogram = self._series(known, route, status)
        count.inc()
        histogram.observe(seconds)

    def _series(self, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
        """Return the children of these labels; the library's own way to them costs more than they do."""
        found = self._known.get((method, route, status))
        if found is None:
            count = self._requests.labels(method, route, str(status))
            found = self._known[method, route, status] = (
                count,
                self._request_s.labels(method, route),
            )
        return found

    def render(self) -> bytes:
        return generate_latest(self._registry)
