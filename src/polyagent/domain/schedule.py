"""Schedules: tasks that are made again and again, at the instants of a cron expression."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain, islice, takewhile
from typing import Any, Literal
from uuid import UUID

import msgspec
from msgspec.structs import asdict, replace

from polyagent.domain.account import Role
from polyagent.domain.agent import Name, merge, unknown_nulls
from polyagent.domain.cron import TICK, Cron
from polyagent.domain.errors import CronInvalid, Fault
from polyagent.domain.instant import Instant, in_utc
from polyagent.domain.misfit import misfit
from polyagent.domain.task import TaskAsk

CatchUp = Literal["skip", "one", "all"]

LATE = timedelta(seconds=60)
"""An instant that is over by more than this was missed."""

AT_ONCE = 100
"""How many instants of one schedule fire in one go; the rest follows in the next."""

SHOWN = 5
NEVER = "It fires in none of the next 50 years."


class NewSchedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What its owner says of a schedule: the body of POST and PUT."""

    name: Name
    cron: str
    timezone: str
    task: TaskAsk
    enabled: bool = True
    catch_up: CatchUp = "skip"
    end_at: Instant | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a name has at least one visible character")
        if self.end_at is not None:
            in_utc("end_at", self.end_at)

    def tidied(self) -> "NewSchedule":
        end_at = None if self.end_at is None else in_utc("end_at", self.end_at)
        return replace(self, name=self.name.strip(), end_at=end_at)

    def next_after(self, instant: datetime) -> datetime | None:
        """Return when it fires next; None: it is paused, or at its end. Raises `CronInvalid`, `TimezoneUnknown`."""
        at = Cron(self.cron, self.timezone).first_after(instant)
        if at is None:
            raise CronInvalid(NEVER, faults=(Fault("#/cron", NEVER),))
        return at if self.enabled and self.lasts_until(at) else None

    def lasts_until(self, instant: datetime) -> bool:
        return self.end_at is None or instant <= self.end_at


class Schedule(NewSchedule, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """A schedule at one version, which its firing does not change.

    `next_fire_at` None: it does not fire any more, or not while it is paused. `last_fire_at` is the last
    of its instants that fired, and `last_task_id` the task that this made.
    """

    id: UUID
    workspace_id: UUID
    user_id: UUID
    version: int
    next_fire_at: datetime | None = None
    next_fires: tuple[datetime, ...] = ()
    last_fire_at: datetime | None = None
    last_task_id: UUID | None = None
    created_at: datetime
    updated_at: datetime

    def ask(self) -> NewSchedule:
        """Return what its owner said of it."""
        return NewSchedule(**{f: getattr(self, f) for f in NewSchedule.__struct_fields__})

    def told(self) -> "Schedule":
        """Return it with the next of its instants."""
        if self.next_fire_at is None:
            return self
        fires = _some(self.cron, self.timezone, self.next_fire_at)
        return replace(self, next_fires=tuple(takewhile(self.lasts_until, fires)))

    def next_of(self, new: NewSchedule, now: datetime) -> datetime | None:
        """Return when it fires next once it is `new`.

        From now on where it did not fire, or its instants are others; else it owes what it owed. Raises as
        `next_after` does.
        """
        from_now = new.next_after(now)
        is_same = (new.cron, new.timezone) == (self.cron, self.timezone)
        if self.next_fire_at is None or not (is_same and new.enabled):
            return from_now
        return self.next_fire_at if new.lasts_until(self.next_fire_at) else None

    def fires(self, now: datetime, room: int) -> "Firing":
        """Return which of its instants are to fire now, at most `room`, and when the next will.

        Each follows from the one before, however the clock is set. Raises as `next_after` does.
        """
        first = self._first_due(now)
        due = () if first is None else takewhile(lambda at: at <= now, self._instants(first))
        instants = tuple(islice(due, max(0, min(room, AT_ONCE))))
        cron = Cron(self.cron, self.timezone)
        following = cron.first_after(instants[-1]) if instants else first
        return Firing(id=self.id, instants=instants, next_fire_at=self._within(following))

    def passes(self, now: datetime) -> "Firing":
        """Let the instants until now go by."""
        return Firing(id=self.id, instants=(), next_fire_at=self.next_after(now))

    def _first_due(self, now: datetime) -> datetime | None:
        """Return the first instant that still counts, as `catch_up` says; it may be to come."""
        owed = self.next_fire_at
        if owed is None or owed > now or self.catch_up == "all":
            return owed
        cron = Cron(self.cron, self.timezone)
        if self.catch_up == "one":
            return cron.latest(owed, now if self.end_at is None else min(now, self.end_at)) or owed
        return owed if owed >= now - LATE else cron.first_after(now - LATE - TICK)

    def _instants(self, first: datetime) -> Iterator[datetime]:
        after = Cron(self.cron, self.timezone).after(first)
        return takewhile(self.lasts_until, chain((first,), after))

    def _within(self, instant: datetime | None) -> datetime | None:
        return instant if instant is not None and self.lasts_until(instant) else None


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule whose next instant has come. `role` is its owner's; None: nobody who may act."""

    schedule: Schedule
    role: Role | None


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """What a schedule does now: it fires for these instants, and next at that one."""

    id: UUID
    instants: tuple[datetime, ...]
    next_fire_at: datetime | None
    last_task_id: UUID | None = None


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """`broken` are schedules that cannot fire, and do not any more: their zone or cron is no longer known."""

    tasks: int = 0
    broken: tuple[UUID, ...] = ()


def merged(schedule: Schedule, patch: dict[str, Any]) -> NewSchedule:
    """Return `schedule` changed by a JSON merge patch: null clears, objects merge. Raises `Invalid`."""
    body = merge(msgspec.to_builtins(schedule.ask()), patch)
    body |= unknown_nulls(patch, NewSchedule)
    if isinstance(patch.get("task"), dict):
        body["task"] |= unknown_nulls(patch["task"], TaskAsk)
    try:
        return msgspec.convert(body, NewSchedule)
    except msgspec.ValidationError as error:
        raise misfit(error) from error


def made(new: NewSchedule, **columns: Any) -> Schedule:
    return Schedule(**asdict(new), **columns)


@lru_cache(maxsize=4096)
def _some(cron: str, timezone: str, first: datetime) -> tuple[datetime, ...]:
    """Return as many instants as are shown; rare ones cost 20 ms, and lists show many schedules."""
    return (first, *islice(Cron(cron, timezone).after(first), SHOWN - 1))
