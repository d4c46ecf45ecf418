"""The clocks of the operating system."""

import asyncio
import sys
import time
from datetime import UTC, datetime


class SystemClock:
    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)

    def monotonic(self) -> float:
        # CLOCK_MONOTONIC stands still while Linux sleeps: a lease that ran out would look good
        linux = sys.platform == "linux"
        return time.clock_gettime(time.CLOCK_BOOTTIME) if linux else time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
