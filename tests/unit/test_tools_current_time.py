from datetime import UTC, datetime
from uuid import UUID

import pytest

from polyagent.adapters.functions.current_time import CurrentTime
from polyagent.adapters.functions.registry import FunctionTools
from polyagent.domain.tool import CallContext, ToolResult

CONTEXT = CallContext(
    workspace_id=UUID(int=1), user_id=UUID(int=2), run_id=None, idempotency_key="key"
)

NO_ZONES = [
    *("", "Europe", "US", "zone.tab", "../UTC", "Europe//Berlin", "/etc/localtime", "UTC "),
    *("localtime", "posixrules", "right/UTC", "posix/UTC", "Factory", "+02:00", "Mars/Olympus"),
    *("Europe/Ber\x00", "Europe/\ud800", "a" * 100, "a" * 300),
]


class StoppedClock:
    def now(self) -> datetime:
        return datetime(2026, 10, 25, 23, 30, tzinfo=UTC)

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")


async def told(**arguments: object) -> ToolResult:
    tools = FunctionTools(
        [CurrentTime(StoppedClock()).function()], timeout_s=30, max_result_bytes=10_000
    )
    return await tools.call("current_time", arguments, CONTEXT)


async def test_it_is_utc_unless_asked() -> None:
    answer = await told()

    assert answer.result == {
        "time": "2026-10-25T23:30:00+00:00",
        "timezone": "UTC",
        "weekday": "Sunday",
        "utc": "2026-10-25T23:30:00Z",
    }


async def test_a_zone_has_its_own_day() -> None:
    answer = await told(timezone="Asia/Shanghai")

    assert answer.result["time"] == "2026-10-26T07:30:00+08:00"
    assert answer.result["weekday"] == "Monday"


@pytest.mark.parametrize("name", NO_ZONES)
async def test_what_is_no_zone_is_refused(name: str) -> None:
    answer = await told(timezone=name)

    assert answer.state == "failed"
    assert answer.error
