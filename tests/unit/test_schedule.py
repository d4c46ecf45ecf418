"""What a schedule fires, and when next: after outages, pauses, changes and steps of the clock."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from polyagent.domain.errors import CronInvalid, Invalid
from polyagent.domain.ids import new_id
from polyagent.domain.schedule import AT_ONCE, CatchUp, NewSchedule, Schedule, made, merged
from polyagent.domain.task import TaskAsk

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ROOM = 10_000


def schedule(*, next_fire_at: datetime | None = NOON, **ask: Any) -> Schedule:
    given: dict[str, Any] = {"name": "s", "cron": "* * * * *", "timezone": "UTC", **ask}
    return made(
        NewSchedule(**given, task=TaskAsk(kind="note", payload={"a": {"b": 1, "c": 2}})),
        id=new_id(),
        workspace_id=UUID(int=1),
        user_id=UUID(int=2),
        version=1,
        next_fire_at=next_fire_at,
        created_at=NOON,
        updated_at=NOON,
    )


def minutes(*numbers: int) -> tuple[datetime, ...]:
    return tuple(NOON + MINUTE * n for n in numbers)


def test_what_is_due_fires_and_the_next_follows_from_it() -> None:
    firing = schedule().fires(NOON + timedelta(seconds=30), ROOM)

    assert (firing.instants, firing.next_fire_at) == (minutes(0), NOON + MINUTE)


def test_what_is_not_due_yet_stays_as_it_is() -> None:
    firing = schedule().fires(NOON - MINUTE, ROOM)

    assert (firing.instants, firing.next_fire_at) == ((), NOON)


@pytest.mark.parametrize(
    ("catch_up", "fired"),
    [("skip", minutes(9, 10)), ("one", minutes(10)), ("all", minutes(*range(11)))],
)
def test_after_an_outage_of_ten_minutes(catch_up: CatchUp, fired: tuple[datetime, ...]) -> None:
    firing = schedule(catch_up=catch_up).fires(NOON + 10 * MINUTE, ROOM)

    assert (firing.instants, firing.next_fire_at) == (fired, NOON + 11 * MINUTE)


@pytest.mark.parametrize(("late_s", "fired"), [(60, 1), (61, 0)])
def test_skip_fires_what_is_over_by_a_minute_and_no_more(late_s: int, fired: int) -> None:
    firing = schedule(cron="@daily").fires(NOON + timedelta(seconds=late_s), ROOM)

    assert len(firing.instants) == fired
    assert firing.next_fire_at == datetime(2026, 11, 27, tzinfo=UTC)


def test_one_fires_what_is_days_late() -> None:
    firing = schedule(cron="@daily", catch_up="one").fires(NOON + timedelta(days=5), ROOM)

    assert firing.instants == (datetime(2026, 12, 1, tzinfo=UTC),)
    assert firing.next_fire_at == datetime(2026, 12, 2, tzinfo=UTC)


def test_all_fires_a_long_outage_in_bounded_parts_and_leaves_none_out() -> None:
    late, now = schedule(catch_up="all"), NOON + timedelta(days=1) - MINUTE

    fired: list[datetime] = []
    parts = 0
    while late.next_fire_at is not None and late.next_fire_at <= now:
        firing = late.fires(now, ROOM)
        assert len(firing.instants) <= AT_ONCE
        fired += firing.instants
        late = replace(late, next_fire_at=firing.next_fire_at)
        parts += 1

    assert fired == [*minutes(*range(1440))]
    assert parts == 15


@pytest.mark.parametrize("room", [0, -3])
def test_without_room_everything_waits(room: int) -> None:
    firing = schedule(catch_up="all").fires(NOON + 10 * MINUTE, room)

    assert (firing.instants, firing.next_fire_at) == ((), NOON)


def test_with_room_for_some_the_others_wait() -> None:
    firing = schedule(catch_up="all").fires(NOON + 10 * MINUTE, 3)

    assert (firing.instants, firing.next_fire_at) == (minutes(0, 1, 2), NOON + 3 * MINUTE)


@pytest.mark.parametrize(
    ("catch_up", "fired"), [("skip", ()), ("one", minutes(3)), ("all", minutes(0, 1, 2, 3))]
)
def test_nothing_fires_behind_its_end(catch_up: CatchUp, fired: tuple[datetime, ...]) -> None:
    ends = schedule(catch_up=catch_up, end_at=NOON + 3.5 * MINUTE)

    firing = ends.fires(NOON + 10 * MINUTE, ROOM)

    assert (firing.instants, firing.next_fire_at) == (fired, None)


def test_an_instant_at_its_end_fires_and_is_the_last() -> None:
    ends = schedule(end_at=NOON)

    firing = ends.fires(NOON, ROOM)

    assert (firing.instants, firing.next_fire_at) == (minutes(0), None)
    assert ends.told().next_fires == minutes(0)


def test_a_clock_that_is_set_back_lets_nothing_fire_again() -> None:
    fired = schedule().fires(NOON + timedelta(hours=3), ROOM)
    later = schedule(next_fire_at=fired.next_fire_at)

    assert later.fires(NOON, ROOM).instants == ()
    assert later.fires(NOON, ROOM).next_fire_at == fired.next_fire_at


def test_a_pause_is_no_outage() -> None:
    running = schedule(catch_up="all")
    paused = replace(running.ask(), enabled=False)
    assert running.next_of(paused, NOON) is None
    still = replace(running, enabled=False, next_fire_at=None)

    resumed = still.next_of(running.ask(), NOON + timedelta(hours=5))

    assert resumed == NOON + timedelta(hours=5) + MINUTE


@pytest.mark.parametrize("change", [{"cron": "*/2 * * * *"}, {"timezone": "Europe/Berlin"}])
def test_another_cron_or_zone_begins_anew(change: dict[str, str]) -> None:
    owes = schedule(catch_up="all")
    now = NOON + timedelta(hours=5)

    following = owes.next_of(replace(owes.ask(), **change), now)

    assert following is not None
    assert now < following <= now + 2 * MINUTE


def test_another_name_changes_nothing_about_what_it_owes() -> None:
    owes = schedule(catch_up="all")

    assert owes.next_of(replace(owes.ask(), name="t"), NOON + timedelta(hours=5)) == NOON


def test_an_end_that_is_moved_ends_it_and_lets_it_go_on() -> None:
    running = schedule()
    ended = replace(running.ask(), end_at=NOON - MINUTE)

    assert running.next_of(ended, NOON - MINUTE) is None
    over = replace(running, end_at=ended.end_at, next_fire_at=None)
    assert over.next_of(running.ask(), NOON + timedelta(seconds=1)) == NOON + MINUTE


def test_what_comes_next_is_shown() -> None:
    assert schedule().told().next_fires == minutes(0, 1, 2, 3, 4)
    assert schedule(end_at=NOON + MINUTE).told().next_fires == minutes(0, 1)
    assert schedule(next_fire_at=None).told().next_fires == ()


def test_what_never_fires_is_refused() -> None:
    with pytest.raises(CronInvalid):
        schedule(cron="0 0 31 4 *").next_after(NOON)


def test_a_patch_merges_and_clears() -> None:
    now = schedule(end_at=NOON, catch_up="all")

    new = merged(now, {"end_at": None, "catch_up": None, "task": {"payload": {"a": {"b": None}}}})

    assert (new.end_at, new.catch_up) == (None, "skip")
    assert new.task == TaskAsk(kind="note", payload={"a": {"c": 2}})


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"bogus": 1}, "#/bogus"),
        ({"bogus": None}, "#/bogus"),
        ({"name": None}, "#/name"),
        ({"next_fire_at": "2030-01-01T00:00:00Z"}, "#/next_fire_at"),
        ({"task": {"run_at": "2030-01-01T00:00:00Z"}}, "#/task/run_at"),
        ({"task": {"delay_s": None}}, "#/task/delay_s"),
        ({"task": {"unique_key": "k"}}, "#/task/unique_key"),
        ({"task": None}, "#/task"),
        ({"catch_up": "some"}, "#/catch_up"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(patch: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        merged(schedule(), patch)

    assert [fault.pointer for fault in refused.value.faults] == [pointer]


steps = st.lists(st.integers(-7200, 86_400), min_size=1, max_size=30)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(
    steps,
    st.sampled_from(["skip", "one", "all"]),
    st.sampled_from(["* * * * *", "*/17 * * * *", "30 2 * * *", "@hourly"]),
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
)
def test_however_the_clock_is_set_each_instant_fires_at_most_once_and_in_order(
    steps: list[int], catch_up: CatchUp, cron: str, timezone: str
) -> None:
    now = datetime(2027, 3, 27, 12, tzinfo=UTC)
    ask = schedule(cron=cron, timezone=timezone, catch_up=catch_up)
    it = replace(ask, next_fire_at=ask.next_after(now))
    fired: list[datetime] = []

    for step_s in steps:
        now += timedelta(seconds=step_s)
        firing = it.fires(now, ROOM)
        assert all(at <= now for at in firing.instants)
        fired += firing.instants
        it = replace(it, next_fire_at=firing.next_fire_at)

    assert fired == sorted(set(fired))
    assert it.next_fire_at is not None
    assert all(at < it.next_fire_at for at in fired)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.integers(0, 7200), min_size=1, max_size=30))
def test_all_leaves_no_instant_out(steps: list[int]) -> None:
    now = begin = datetime(2027, 3, 27, 22, tzinfo=UTC)
    it = schedule(timezone="Europe/Berlin", catch_up="all", next_fire_at=begin)
    fired: list[datetime] = []

    for step_s in [*steps, *[0] * 100]:
        now += timedelta(seconds=step_s)
        firing = it.fires(now, ROOM)
        fired += firing.instants
        it = replace(it, next_fire_at=firing.next_fire_at)

    whole_minutes = int((now - begin) / MINUTE)
    assert fired == [begin + MINUTE * n for n in range(whole_minutes + 1)]
