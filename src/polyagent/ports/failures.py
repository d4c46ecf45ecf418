from typing import Protocol

from polyagent.domain.throttle import Failures


class LoginFailures(Protocol):
    """Failed logins by whom they were for; forgotten a quarter of an hour after the last.

    They are counted in this process alone while the store is away: nothing here fails.
    """

    async def of(self, who: str) -> Failures: ...

    async def add(self, who: str) -> None: ...

    async def clear(self, who: str) -> None: ...

    async def trust(self, whence: str) -> None:
        """Remember for a month that a login from there went well; forgotten while the store is away."""

    async def trusts(self, whence: str) -> bool: ...
