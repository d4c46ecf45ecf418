"""When cron expressions fire: the dialect, the zones, and the nights when clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyagent.domain.cron import FORMS, Cron, zone
from polyagent.domain.errors import CronInvalid, TimezoneUnknown

NOW = datetime(2026, 11, 26, 14, 0, tzinfo=UTC)
ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Australia/Lord_Howe"),
    *("Africa/Casablanca", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia", "Asia/Beirut"),
)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# the clocks leap forward over the time, and turn back over it
@pytest.mark.parametrize(
    ("timezone", "cron", "instant"),
    [
        ("Europe/Berlin", "30 2 28 3 *", "2027-03-28T01:00"),
        ("Europe/Berlin", "30 2 31 10 *", "2027-10-31T00:30"),
        ("Australia/Lord_Howe", "15 2 3 10 *", "2027-10-02T15:30"),
        ("America/Santiago", "0 0 5 9 *", "2027-09-05T04:00"),
    ],
)
def test_a_time_of_an_odd_night_comes_once(timezone: str, cron: str, instant: str) -> None:
    first, second = islice(Cron(cron, timezone).after(NOW), 2)

    assert first == utc(instant)
    assert second.year == first.year + 1


@pytest.mark.parametrize("night", ["2027-03-28", "2027-10-31"])
def test_a_daily_job_at_half_past_two_fires_once_on_both_odd_nights(night: str) -> None:
    noon = utc(f"{night}T12:00") - timedelta(days=2)

    instants = [*islice(Cron("30 2 * * *", "Europe/Berlin").after(noon), 3)]

    assert [at.day for at in instants] == [noon.day + 1, noon.day + 2, (noon + timedelta(3)).day]


def test_a_job_that_resumes_in_the_second_hour_of_two_does_not_fire_again() -> None:
    second_two = utc("2027-10-31T01:10")  # 02:10 in Berlin, for the second time

    assert Cron("30 2 * * *", "Europe/Berlin").first_after(second_two) == utc("2027-11-01T01:30")


def test_two_times_that_one_leap_skips_are_one_instant() -> None:
    before = utc("2027-03-28T00:00")

    instants = [*islice(Cron("0,30 2 * * *", "Europe/Berlin").after(before), 2)]

    assert instants == [utc("2027-03-28T01:00"), utc("2027-03-29T00:00")]


def test_an_hour_behind_a_leap_of_half_an_hour_is_found() -> None:
    midnight = utc("2026-10-03T13:30")  # at two the clocks of Lord Howe leap to half past two

    assert Cron("0 */13 * * *", "Australia/Lord_Howe").first_after(midnight) == utc(
        "2026-10-04T02:00"
    )


def test_what_follows_the_clocks_goes_on_through_an_hour_that_comes_twice() -> None:
    before = utc("2027-10-30T23:59")

    instants = [*islice(Cron("*/30 * * * *", "Europe/Berlin").after(before), 6)]

    assert instants == [utc("2027-10-31T00:00") + timedelta(minutes=30 * n) for n in range(6)]


@pytest.mark.parametrize(
    ("cron", "instant"),
    [
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 9 1-7 * 1", "2026-11-30T09:00"),  # Mondays, or the first seven days
        ("0 9 */7 * 1", "2027-02-01T09:00"),  # both, where one begins with a star
        ("0 0 * JUL mon", "2027-07-05T00:00"),
        ("5/20 * * * 7", "2026-11-29T00:05"),
        ("\t0 0  1 1 * ", "2027-01-01T00:00"),
        ("@hourly", "2026-11-26T15:00"),
        ("@daily", "2026-11-27T00:00"),
        ("@midnight", "2026-11-27T00:00"),
        ("@weekly", "2026-11-29T00:00"),
        ("@monthly", "2026-12-01T00:00"),
        ("@yearly", "2027-01-01T00:00"),
        ("@annually", "2027-01-01T00:00"),
    ],
)
def test_the_dialect(cron: str, instant: str) -> None:
    assert Cron(cron, "UTC").first_after(NOW) == utc(instant)


@pytest.mark.parametrize(
    "cron",
    [
        *("", "x", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *"),
        *("* * * * 8", "*/0 * * * *", "5-1 * * * *", "1, * * * *", "-1 * * * *", "1.5 * * * *"),
        *("0 0 L * *", "0 0 LW * *", "0 0 * * 5L", "0 0 * * 1#5", "0 0 ? * *", "0 0 W * *"),
        *("0 0 30 2 *", "0 0 31 2,4,6 *", "@reboot", "@Daily", "@every 5m", "H * * * *"),
        *("１ * * * *", "0 0 * * \N{LATIN SMALL LETTER LONG S}un", "0\u00a00 * * *", "0 0 * *\n*"),
        *("\0", "* * * * *\n", "1," * 1000 + "1 * * * *"),
    ],
)
def test_what_is_no_cron_or_never_fires_is_refused(cron: str) -> None:
    with pytest.raises(CronInvalid) as refused:
        Cron(cron, "UTC")

    assert [fault.pointer for fault in refused.value.faults] == ["#/cron"]


@pytest.mark.parametrize(
    "name",
    [
        *("", "Europe", "US", "Europe/berlin", "europe/berlin", "UTC ", " UTC", "+02:00", "GMT+25"),
        *("localtime", "posixrules", "Factory", "right/UTC", "posix/UTC", "zone.tab", "tzdata.zi"),
        *("../UTC", "Europe//Berlin", "/UTC", "Europe/Berlin/", "\0", "UTC\0", "\udc80", "x" * 300),
        *("__init__.py", "Europe/__init__.py", "ＵＴＣ"),
    ],
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(TimezoneUnknown) as refused:
        Cron("@daily", name)

    assert [fault.pointer for fault in refused.value.faults] == ["#/timezone"]


@pytest.mark.parametrize("name", ["UTC", "Etc/GMT+3", "US/Pacific", "EST", *ZONES])
def test_iana_names_are_zones(name: str) -> None:
    assert zone(name).key == name


def test_the_last_instant_of_a_span_is_found_from_its_end() -> None:
    minutely, yearly = Cron("* * * * *", "UTC"), Cron("@yearly", "UTC")

    assert minutely.latest(NOW - timedelta(days=3650), NOW) == NOW
    assert yearly.latest(NOW - timedelta(days=3650), NOW) == utc("2026-01-01")
    assert yearly.latest(utc("2026-01-01T00:01"), NOW) is None
    assert yearly.latest(utc("2026-01-01"), utc("2026-01-01")) == utc("2026-01-01")


numbers = st.integers


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    value = numbers(low, high)
    ranges = st.tuples(value, value).map(lambda pair: f"{min(pair)}-{max(pair)}")
    lists = st.lists(value, min_size=1, max_size=3).map(lambda values: ",".join(map(str, values)))
    steps = numbers(1, high).map(lambda step: f"*/{step}")
    return st.one_of(st.just("*"), value.map(str), ranges, lists, steps)


times = st.tuples(_field(0, 59), _field(0, 23))
days = st.tuples(_field(1, 28), _field(1, 12), _field(0, 7))
instants = st.one_of(
    st.integers(0, 4 * 366 * 24 * 60).map(lambda n: utc("2026-01-01") + timedelta(minutes=n)),
    # around the nights when clocks change
    st.tuples(
        st.sampled_from(["2027-03-28", "2027-10-31", "2027-04-04", "2027-10-02", "2027-09-05"]),
        st.integers(-12 * 60, 24 * 60),
    ).map(lambda pair: utc(pair[0]) + timedelta(minutes=pair[1])),
)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(times, instants, st.sampled_from(ZONES))
def test_instants_grow_and_are_the_same_from_wherever_one_begins(
    time: tuple[str, str], begin: datetime, timezone: str
) -> None:
    cron = Cron(f"{time[0]} {time[1]} * * *", timezone)

    found = [*islice(cron.after(begin), 30)]

    assert all(earlier < later for earlier, later in pairwise([begin, *found]))
    for earlier, later in pairwise(found):
        assert cron.first_after(earlier) == later
        middle = earlier + (later - earlier) / 2
        assert cron.first_after(middle) == later
        assert cron.latest(earlier + timedelta(seconds=1), later) == later


@settings(deadline=None, derandomize=True, max_examples=200)
@given(times, days, instants, st.sampled_from(ZONES))
def test_each_instant_matches_in_its_zone_or_follows_a_leap_at_once(
    time: tuple[str, str], day: tuple[str, str, str], begin: datetime, timezone: str
) -> None:
    cron = Cron(" ".join((*time, *day)), timezone)

    for at in islice(cron.after(begin), 10):
        assert _matches(time, at, timezone) or _has_leapt(at, timezone)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(numbers(0, 59), numbers(0, 23), instants, st.sampled_from(ZONES))
def test_a_fixed_time_comes_once_each_day_whatever_the_clocks_do(
    minute: int, hour: int, begin: datetime, timezone: str
) -> None:
    cron = Cron(f"{minute} {hour} * * *", timezone)

    days_of = [at.astimezone(zone(timezone)).date() for at in islice(cron.after(begin), 20)]

    assert [later - earlier for earlier, later in pairwise(days_of)] == [timedelta(1)] * 19


def _matches(time: tuple[str, str], at: datetime, timezone: str) -> bool:
    wall = at.astimezone(zone(timezone))
    return wall.minute in _values(time[0], 60) and wall.hour in _values(time[1], 24)


def _has_leapt(at: datetime, timezone: str) -> bool:
    """Whether the clocks leapt forward within the hours before."""
    wall, before = (t.astimezone(zone(timezone)) for t in (at, at - timedelta(hours=2)))
    assert wall.utcoffset() is not None
    return (wall.utcoffset() or timedelta()) > (before.utcoffset() or timedelta())


def _values(field: str, end: int) -> set[int]:
    """Read a field as the strategies above write them."""
    if field == "*":
        return {*range(end)}
    if field.startswith("*/"):
        return {*range(0, end, int(field[2:]))}
    if "-" in field:
        low, high = map(int, field.split("-"))
        return {*range(low, high + 1)}
    return {*map(int, field.split(","))}


def test_the_forms_are_known() -> None:
    assert {*FORMS} == {
        *("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"),
    }
