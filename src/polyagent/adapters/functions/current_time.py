import re
from datetime import UTC, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from polyagent.adapters.functions.function import Arguments, Function
from polyagent.domain.errors import ToolFailed
from polyagent.domain.tool import CallContext
from polyagent.ports.clock import Clock

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")
# what the machine calls its own zone, and copies that count leap seconds: no names of IANA's
_MACHINE_DEPENDENT = re.compile(r"(?i)localtime|posixrules|factory|(?:posix|right)/.*")


class Place(Arguments, frozen=True):
    timezone: Annotated[
        str, Meta(max_length=100, description="An IANA zone, for example Europe/Berlin")
    ] = "UTC"


class Now(msgspec.Struct, frozen=True, kw_only=True):
    time: str
    timezone: str
    weekday: str
    utc: str


class CurrentTime:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def function(self) -> Function:
        return Function(
            name="current_time",
            description="Tells the date, the time and the weekday of now in a time zone.",
            arguments=Place,
            call=self,
            effect="read",
            category="time",
            source="builtin",
        )

    async def __call__(self, arguments: Place, _: CallContext) -> Now:
        utc = self._clock.now()
        there = utc.astimezone(_zone(arguments.timezone))
        return Now(
            time=there.isoformat(timespec="seconds"),
            timezone=arguments.timezone,
            weekday=f"{there:%A}",
            utc=f"{utc:%Y-%m-%dT%H:%M:%SZ}",
        )


def _zone(name: str) -> tzinfo:
    """Return the zone. `ZoneInfo` raises what the file system says of a wrong name, so all of it counts."""
    if name == "UTC":
        return UTC
    try:
        if _NAME.fullmatch(name) and not _MACHINE_DEPENDENT.fullmatch(name):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ToolFailed(f"{name!r} is no IANA time zone; Europe/Berlin and Asia/Shanghai are two.")
