"""When tasks are tried again, how many run at once, and what follows from an attempt."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyagent.domain.backoff import LONGEST_S, retry_delay_s
from polyagent.domain.caps import Caps
from polyagent.domain.ids import new_id
from polyagent.domain.task import OWNER_GONE, WORKER_LOST, NewTask, TaskWork, handed_back

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DRAWS = st.floats(0, 1)
DELAYS = st.none() | st.floats(allow_nan=True, allow_infinity=True)
USERS = [new_id() for _ in range(3)]


@given(st.integers(0, 10_000), DRAWS, DELAYS)
def test_a_wait_is_within_its_bounds_and_never_before_it_is_told(
    failures: int, draw: float, told: float | None
) -> None:
    wait = retry_delay_s(failures, base_s=2, most_s=3600, draw=draw, retry_after_s=told)

    heard = 0.0 if told is None or math.isnan(told) else min(max(told, 0.0), LONGEST_S)
    assert heard <= wait <= heard + min(2.0 * 2.0 ** min(max(failures, 1) - 1, 64), 3600)


def test_the_bound_doubles_with_each_failure() -> None:
    bounds = [retry_delay_s(n, base_s=2, most_s=60, draw=1) for n in range(1, 8)]

    assert bounds == [2, 4, 8, 16, 32, 60, 60]


LOADS = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(USERS)), max_size=30)


@given(
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 5)),
    st.none() | st.integers(1, 5),
    LOADS,
)
def test_no_more_run_than_may_and_nobody_waits_without_a_reason(
    kinds: dict[str, int], user: int | None, wanted: list[tuple[str, UUID]]
) -> None:
    caps = Caps(kinds=kinds, user=user)
    room = caps.room((), wanted)

    running = [load for load, has_room in zip(wanted, room, strict=True) if has_room]
    of_kind = Counter(kind for kind, _ in running)
    of_user = Counter(user_id for _, user_id in running)
    assert all(of_kind[kind] <= most for kind, most in kinds.items())
    assert user is None or all(count <= user for count in of_user.values())
    for (kind, user_id), has_room in zip(wanted, room, strict=True):
        is_full = of_kind[kind] == kinds.get(kind) or (
            user is not None and of_user[user_id] == user
        )
        assert has_room or is_full


def test_without_caps_everything_runs() -> None:
    assert not Caps()
    assert Caps(user=1)
    assert Caps(kinds={"a": 1})


def work(attempt: int = 1, spared: int = 0) -> TaskWork:
    return TaskWork(
        id=new_id(),
        kind="note",
        payload={},
        attempt=attempt,
        spared=spared,
        max_attempts=3,
        timeout_s=1,
        workspace_id=new_id(),
        user_id=USERS[0],
    )


@pytest.mark.parametrize(
    ("attempt", "spared", "status"),
    [(1, 0, "queued"), (2, 0, "queued"), (3, 0, "dead"), (5, 3, "queued"), (5, 2, "dead")],
)
def test_only_attempts_that_count_use_a_task_up(attempt: int, spared: int, status: str) -> None:
    assert work(attempt, spared).failed(WORKER_LOST, delay_s=1).status == status


def test_what_cannot_succeed_is_not_tried_again() -> None:
    assert work().failed(OWNER_GONE, delay_s=1).status == "dead"


def test_what_is_handed_back_costs_no_attempt() -> None:
    ended = handed_back(new_id(), 2, cut_short=True)

    assert (ended.status, ended.spared, ended.cut_short) == ("queued", True, True)


def test_a_task_is_due_when_it_says() -> None:
    east = timezone(timedelta(hours=2))

    assert NewTask(kind="a").due_at(NOON) == NOON
    assert NewTask(kind="a", delay_s=1.5).due_at(NOON) == NOON + timedelta(seconds=1.5)
    assert NewTask(kind="a", run_at=NOON - timedelta(days=1)).due_at(NOON) == NOON
    assert NewTask(kind="a", run_at=datetime(2027, 1, 1, tzinfo=east)).due_at(NOON) == datetime(
        2026, 12, 31, 22, tzinfo=UTC
    )


def test_it_does_not_say_it_twice() -> None:
    with pytest.raises(msgspec.ValidationError, match="not by both"):
        msgspec.convert({"kind": "a", "delay_s": 1, "run_at": NOON}, NewTask)
