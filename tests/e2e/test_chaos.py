"""A minute of `nox -s chaos`: every kind of fault once, and a kill after each."""

import sys

import pytest

from tests.chaos.drill import drill
from tests.chaos.plan import SHORT
from tests.chaos.tasks import drill as drill_tasks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SEED = 22  # it drains a gateway


def test_faults_break_no_promise() -> None:
    outcome = drill(SEED, SHORT)

    assert outcome.complaints == [], outcome.table
    assert {fault.kind for fault in outcome.history.faults} == {
        "kill", "stop", "drain", "flush", "kill_valkey", "stop_valkey", "restart_postgres",
    }  # fmt: skip


def test_faults_lose_no_task_and_none_is_finished_twice() -> None:
    outcome = drill_tasks(SEED, SHORT)

    assert outcome.acknowledged
    assert (outcome.lost, outcome.finished_twice) == ([], []), outcome.figures
