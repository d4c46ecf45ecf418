"""What processes that count together use of the machine."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.multiprocess import mark_process_dead
from prometheus_client.registry import Collector

from polyagent.adapters.telemetry.together import lives


class Processes(Collector):
    """What these processes use together; of their starts the first."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids

    def collect(self) -> Iterator[Metric]:
        found: dict[str, Metric] = {}
        for pid in self._pids:
            for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                known = found.setdefault(metric.name, metric)
                if known is not metric:
                    _add(known, metric)
        yield from found.values()


def _add(known: Metric, other: Metric) -> None:
    for n, (sample, more) in enumerate(zip(known.samples, other.samples, strict=True)):
        together = min if "start_time" in sample.name else sum
        known.samples[n] = sample._replace(value=together((sample.value, more.value)))


def forget_dead(directory: str) -> list[int]:
    """Return who counts in the directory now; what the dead had in use is free again."""
    pids = {int(file.stem.rpartition("_")[2]) for file in Path(directory).glob("*.db")}
    for pid in (dead := {pid for pid in pids if not lives(pid)}):
        mark_process_dead(pid, directory)  # type: ignore[no-untyped-call]  # it has no types
    return sorted(pids - dead)
