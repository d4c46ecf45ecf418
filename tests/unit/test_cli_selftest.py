"""The command `polyagent selftest`: what it hands over, says and ends with."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from polyagent.adapters.cli.main import cli
from tests.unit.fake_product import SELFTEST, FakeProduct


@pytest.fixture
def product() -> FakeProduct:
    return FakeProduct()


def shell(product: FakeProduct, place: Path, *words: str) -> Result:
    names = ("DATABASE_URL", "REDIS_URL", "PYTHON_AI_URL", "JWT_SECRET", "POLYAGENT_CONFIG")
    env = {**dict.fromkeys(names, ""), "POLYAGENT_DATA_DIR": str(place)}
    return CliRunner().invoke(cli, ["selftest", *words], obj=lambda: product, env=env)


def test_it_says_its_steps_its_figures_and_that_all_held(
    product: FakeProduct, tmp_path: Path
) -> None:
    result = shell(product, tmp_path, "--seed", "7", "--kills", "3")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert product.selftest_options.seed == 7
    assert product.selftest_options.kills == 3
    assert lines[0] == "Kill 1 of 1"
    assert any("12 accepted, 12 completed, 0 failed, 0 lost" in line for line in lines)
    assert any("median 1.4 s, worst 2.5 s" in line for line in lines)
    assert lines[-1].startswith("HELD")


def test_a_broken_promise_is_said_and_ends_with_one(product: FakeProduct, tmp_path: Path) -> None:
    lost = msgspec.structs.replace(SELFTEST.runs, completed=11, lost=1)
    product.selftest_report = msgspec.structs.replace(SELFTEST, runs=lost)

    result = shell(product, tmp_path)

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "FAILED: accepted runs that never ended: 1."


def test_for_machines_stdout_is_the_report_alone(product: FakeProduct, tmp_path: Path) -> None:
    result = shell(product, tmp_path, "--json")

    found = json.loads(result.stdout)
    assert found["held"] is True
    assert found["faults"] == []
    assert found["once"]["executed_again"] == 0
    assert result.stderr == "Kill 1 of 1\n"


def test_without_a_seed_each_drill_has_another(product: FakeProduct, tmp_path: Path) -> None:
    shell(product, tmp_path)
    first = product.selftest_options.seed

    shell(product, tmp_path)

    assert product.selftest_options.seed != first


def test_a_drill_that_is_cut_short_says_so(product: FakeProduct, tmp_path: Path) -> None:
    product.selftest_error = asyncio.CancelledError()

    result = shell(product, tmp_path)

    assert result.exit_code == 130
    assert result.stdout.splitlines()[-1] == "Stopped; nothing is left behind."
