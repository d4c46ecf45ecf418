from datetime import datetime
from typing import Protocol

from polyagent.domain.account import Actor
from polyagent.domain.usage import UsageAsk, UsageReport


class UsageBook(Protocol):
    """What calls of models have used: each that a journal recorded, once, also when its run is gone."""

    async def read(
        self, actor: Actor, ask: UsageAsk, begin: datetime, end: datetime
    ) -> UsageReport:
        """Sum up what the actor's runs used (an administrator: the whole workspace's) in that time.

        Costs a look at each call in it. Raises `CursorInvalid`.
        """
