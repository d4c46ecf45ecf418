"""Metrics."""

from prometheus_client.parser import text_string_to_metric_families

from polyagent.adapters.telemetry.metrics import PrometheusMeter
from polyagent.domain.usage import Usage


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
