"""Some seconds of `nox -s load`: real gateways, more than they can do, and a hall of readers."""

import sys
from collections.abc import Iterator

import pytest
from bench.stage import Stage

from tests.load import hall, verdict
from tests.load.ground import ground, standing
from tests.load.hall import Hall
from tests.load.overload import Plan, overload

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def here() -> Iterator[Stage]:
    with standing(quick=True) as stage:
        yield stage


def test_more_than_can_be_done_is_refused_and_harms_nobody(here: Stage) -> None:
    limits = {"limits__queued_runs": "4", "limits__requests": "20"}
    plan = Plan(name="short", seconds=2, peak_s=1, users=6, limits=limits)

    with ground(here, gateways=1, users=plan.users, settings=plan.settings) as it:
        figures = overload(it, plan)

    told = [*verdict.rows(figures)]
    assert [*verdict.broken(figures)] == [], told
    assert {429, 503} <= {outcome.status for outcome in figures.outcomes}
    assert any(outcome.is_answered for outcome in figures.outcomes)


def test_readers_of_all_kinds_see_the_whole_of_their_runs(here: Stage) -> None:
    plan = Hall(name="short", readers=60, runs=3, gateways=2, first_ms=1500, gap_ms=50, tokens=12)

    with ground(here, gateways=2, users=0, settings=plan.settings) as it:
        heard = hall.heard(it, plan)

    assert [*hall.broken(heard)] == []
    assert (heard.whole, heard.left) == (54, 6)
