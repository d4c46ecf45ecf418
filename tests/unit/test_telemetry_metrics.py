"""Metrics."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from polyagent.adapters.telemetry.metrics import PrometheusMeter
from polyagent.adapters.telemetry.together import counting_together
from polyagent.domain.usage import Usage
from polyagent.ports.telemetry import Figure


def samples(meter: PrometheusMeter) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return what a scrape reads, by name and the values of the labels."""
    families = text_string_to_metric_families(meter.render().decode())
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_requests_are_counted_by_method_route_and_status() -> None:
    meter = PrometheusMeter()

    meter.observe_request("GET", "/api/v1/agents/{id}", 200, 0.02)
    meter.observe_request("GET", "/api/v1/agents/{id}", 404, 0.01)

    told = samples(meter)
    assert told["polyagent_requests_total", ("GET", "/api/v1/agents/{id}", "200")] == 1
    assert told["polyagent_requests_total", ("GET", "/api/v1/agents/{id}", "404")] == 1
    assert told["polyagent_request_seconds_count", ("GET", "/api/v1/agents/{id}")] == 2


def test_methods_that_somebody_makes_up_are_one() -> None:
    meter = PrometheusMeter()

    for n in range(100):
        meter.observe_request(f"HACK{n}", "none", 405, 0.01)

    assert samples(meter)["polyagent_requests_total", ("other", "none", "405")] == 100


def test_runs_tokens_and_first_tokens_are_counted() -> None:
    meter = PrometheusMeter()

    meter.run_ended("failed")
    meter.tokens_used(
        Usage(input_tokens=5, cached_input_tokens=2, output_tokens=3, reasoning_tokens=1)
    )
    meter.first_token(0.3)

    told = samples(meter)
    assert told["polyagent_runs_total", ("failed",)] == 1
    kinds = ("input", "cached_input", "output", "reasoning")
    assert [told["polyagent_tokens_total", (kind,)] for kind in kinds] == [5, 2, 3, 1]
    assert told["polyagent_first_token_seconds_sum", ()] == 0.3


def test_meters_share_nothing() -> None:
    one, other = PrometheusMeter(), PrometheusMeter()

    one.run_ended("completed")

    assert ("polyagent_runs_total", ("completed",)) not in samples(other)


def test_what_is_watched_is_told_as_it_is_then() -> None:
    meter, used = PrometheusMeter(), [3]
    meter.watch("requests", lambda: used[0], 10)
    meter.render()
    used[0] = 4

    told = samples(meter)

    assert told["polyagent_in_use", ("requests",)] == 4
    assert told["polyagent_in_use_most", ("requests",)] == 10


COUNTING = """
import sys
from polyagent.adapters.telemetry.metrics import PrometheusMeter
meter = PrometheusMeter()
meter.run_ended("completed")
meter.watch("runs", lambda: 2, 5)
meter.sample()
print(meter.render().decode() if sys.argv[1:] else "", flush=True)
sys.stdin.read()
"""


@contextmanager
def counting(*words: str) -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-c", COUNTING, *words]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _told(process: subprocess.Popen[str]) -> dict[str, float]:
    """Return what it printed, up to the empty line at its end, by the samples' names with labels."""
    assert process.stdout
    lines = iter(process.stdout.readline, "\n")
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_processes_count_together_and_the_dead_keep_what_they_counted(tmp_path: Path) -> None:
    with counting_together(tmp_path):
        with counting() as dead:
            assert dead.stdout
            assert dead.stdout.readline() == "\n"
        with counting() as living:
            assert living.stdout
            assert living.stdout.readline() == "\n"
            with counting("tell") as asked:
                told = _told(asked)
        directory = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])

    assert told['polyagent_runs_total{status="completed"}'] == 3
    assert told['polyagent_in_use{what="runs"}'] == 4
    assert told['polyagent_in_use_most{what="runs"}'] == 10
    if sys.platform == "linux":
        assert told["process_open_fds"] > 6
    assert directory.parent == tmp_path
    assert not directory.exists()


def test_what_a_killed_server_left_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    left = [place / f"polyagent-metrics-{dead.pid}-x" for place in (tmp_path, data_dir)]
    kept = tmp_path / f"polyagent-metrics-{os.getpid()}-x"
    for place in (*left, kept):
        place.mkdir()

    with counting_together(data_dir):
        pass

    assert [place for place in left if place.exists()] == []
    assert kept.exists()


def test_alerts_ask_for_metrics_that_there_are() -> None:
    rules = yaml.safe_load(Path("deploy/prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
    meter = PrometheusMeter()
    figures = [
        Figure(f"polyagent_{name}", "", "of", {"all": 1.0})
        for name in ("component_up", "model_service_up", "runs_unfinished")
    ]
    known = {"up", *re.findall(r"# TYPE (\w+) ", meter.render(figures).decode())}

    asked = {
        re.sub(r"_bucket$", "", name)
        for rule in rules
        for name in re.findall(r"\b(?:polyagent|process)_\w+", rule["expr"])
    }

    assert asked <= known | {f"{name}_total" for name in known}
    assert len({rule["alert"] for rule in rules}) == len(rules)
