"""When a cron expression fires, in a time zone."""

import re
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from itertools import takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from polyagent.domain.errors import CronInvalid, Fault, TimezoneUnknown

FORMS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
MOST = 1000
TICK = timedelta(microseconds=1)

_VALUE = r"(?:[0-9]{1,2}|[A-Za-z]{3})"
_ITEM = rf"(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/[0-9]{{1,2}})?"
_GAP = re.compile(r"[ \t]+")
_FIELD = re.compile(rf"{_ITEM}(?:,{_ITEM})*")
_NO_ZONES = frozenset({"Factory", "localtime", "posixrules"})


class Cron:
    """The instants of an expression, in UTC, to the minute.

    As in Debian's cron a job of fixed times of day that the clocks leap over runs right after the leap,
    and one whose time comes twice runs the first time; one with a `*` in its minutes or hours follows
    the clocks. Of a day of the month and one of the week, where neither begins with `*`, either is enough.
    """

    def __init__(self, expression: str, timezone: str) -> None:
        """Raises `CronInvalid`, `TimezoneUnknown`."""
        self._zone = zone(timezone)
        self._expression = _five_fields(expression)
        try:
            CronSim(self._expression, datetime(2000, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise _invalid(
                f"{expression!r} never fires, or is no cron expression: {error}."
            ) from error

    def after(self, instant: datetime) -> Iterator[datetime]:
        """Yield the instants after this one, growing; none where there is none in 50 years."""
        last = instant
        for at in _Instants(self._expression, instant.astimezone(self._zone)):
            utc = at.astimezone(UTC)
            if utc > last:  # two wall times that one leap skips are one instant
                yield utc
                last = utc

    def first_after(self, instant: datetime) -> datetime | None:
        return next(self.after(instant), None)

    def latest(self, since: datetime, until: datetime) -> datetime | None:
        """Return the last instant within [since, until]: looked for from the end, in spans that double."""
        span = timedelta(minutes=2)
        while True:
            begin = max(since, until - span)
            found = deque(takewhile(lambda at: at <= until, self.after(begin - TICK)), maxlen=1)
            if found or begin == since:
                return found.pop() if found else None
            span *= 2


class _Instants(CronSim):
    """cronsim 2.8 looks for an hour in steps of whole ones, and misses it behind a leap of half an hour."""

    def advance_hour(self) -> bool:
        if self.dt.hour in self.hours:
            return False
        self.dt = self.dt.replace(minute=0, second=0)
        while self.dt.hour not in self.hours:
            self.tick(seconds=3600 - 60 * self.dt.minute)
            if self.dt.hour == 0:
                break
        return True


def _five_fields(expression: str) -> str:
    written = expression.strip(" \t")
    written = FORMS.get(written, written)
    fields = _GAP.split(written)
    if written.startswith("@"):
        raise _invalid(f"The forms with @ are {', '.join(FORMS)}.")
    if len(fields) != 5:
        raise _invalid("Give five fields: minute, hour, day of the month, month, day of the week.")
    if len(written) > MOST or not all(map(_FIELD.fullmatch, fields)):
        raise _invalid(
            f"Each field takes *, numbers, names, ranges, lists and steps; at most {MOST} characters."
        )
    return " ".join(fields)


@lru_cache(maxsize=1000)
def zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name, as the package tzdata has it: the same on every machine.

    Raises `TimezoneUnknown`.
    """
    if name not in _names():
        detail = "Give an IANA name with its capitals, as Europe/Berlin or UTC."
        raise TimezoneUnknown(detail, faults=(Fault("#/timezone", detail),))
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@cache
def _names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text().split()) - _NO_ZONES


def _invalid(detail: str) -> CronInvalid:
    return CronInvalid(detail, faults=(Fault("#/cron", detail),))
