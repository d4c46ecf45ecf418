"""Metrics for Prometheus. No label tells users or runs apart: their number has no bound.

Where `PROMETHEUS_MULTIPROC_DIR` names a directory the processes that share it count together, and what
one that died had counted stays. https://prometheus.github.io/client_python/multiprocess/
"""

import os
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from polyagent.adapters.telemetry.processes import Processes, forget_dead
from polyagent.adapters.telemetry.together import DIRECTORY
from polyagent.domain.run import RunStatus
from polyagent.domain.task import EndStatus
from polyagent.domain.usage import Usage
from polyagent.ports.telemetry import Figure

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
WAITED_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 60, 300, 3600)
FIRST_TOKEN_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class PrometheusMeter:
    """Counts for its process, in a registry of its own."""

    def __init__(self) -> None:
        self._directory = os.environ.get(DIRECTORY)
        registry = CollectorRegistry()
        self._registry = registry
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._watched: dict[str, tuple[Callable[[], int], int]] = {}
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
        self._tasks = Counter(
            "polyagent_tasks",
            "Attempts at tasks that ended; queued: to be tried again.",
            ("kind", "status"),
            registry=registry,
        )
        self._waited_s = Histogram(
            "polyagent_task_wait_seconds",
            "From when a task could have begun until it did.",
            ("kind",),
            buckets=WAITED_S,
            registry=registry,
        )
        self._in_use = _gauge("polyagent_in_use", "What is in use now.", registry)
        self._most = _gauge("polyagent_in_use_most", "How much of it may be.", registry)

    def run_ended(self, status: RunStatus) -> None:
        self._runs.labels(status).inc()

    def tokens_used(self, usage: Usage) -> None:
        self._tokens.labels("input").inc(usage.input_tokens)
        self._tokens.labels("cached_input").inc(usage.cached_input_tokens)
        self._tokens.labels("output").inc(usage.output_tokens)
        self._tokens.labels("reasoning").inc(usage.reasoning_tokens)

    def first_token(self, seconds: float) -> None:
        self._first_token_s.observe(seconds)

    def task_started(self, kind: str, waited_s: float) -> None:
        self._waited_s.labels(kind).observe(waited_s)

    def task_ended(self, kind: str, status: EndStatus) -> None:
        self._tasks.labels(kind, status).inc()

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

    def watch(self, what: str, read: Callable[[], int], most: int) -> None:
        self._watched[what] = (read, most)

    def sample(self) -> None:
        """Look at what is watched, for whichever process is asked next."""
        for what, (read, most) in self._watched.items():
            self._in_use.labels(what).set(read())
            self._most.labels(what).set(most)

    def render(self, figures: Sequence[Figure] = ()) -> bytes:
        self.sample()
        registry = CollectorRegistry()
        registry.register(_Figures(figures))
        if self._directory is None:
            registry.register(Processes([os.getpid()]))
            return generate_latest(self._registry) + generate_latest(registry)
        MultiProcessCollector(registry, self._directory)  # type: ignore[no-untyped-call]  # it has no types
        registry.register(Processes(forget_dead(self._directory)))
        return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, figures: Sequence[Figure]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for figure in self._figures:
            family = GaugeMetricFamily(figure.name, figure.meaning, labels=(figure.label,))
            for label, value in figure.values.items():
                family.add_metric((label,), value)
            yield family


def _gauge(name: str, meaning: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, meaning, ("what",), registry=registry, multiprocess_mode="livesum")
