"""What goes wrong in one process, and when: a plan that can be printed and made again."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Literal

from polyagent.ports.clock import Clock

Kind = Literal[
    "unavailable",  # it is not done, and the port's own error says so
    "lost_answer",  # it is done, and then the port's own error says that it was not
    "slow",  # it is done, seconds later
    "slow_answer",  # it is done, and the answer comes seconds later
    "cancelled",  # the task on whose behalf it is done is cancelled meanwhile
    "dies_before",  # the process is killed before it is done
    "dies_after",  # the process is killed after it was done
]

LAGS_S = (0.01, 0.6, 1.5, 6.0)

victim: ContextVar["asyncio.Task[Any] | None"] = ContextVar("victim", default=None)
"""The task that a cancellation hits: an execution or a request, not the inner task that calls a port.

None: nobody cancels this, it is a loop of the process itself.
"""


def dice_of(seed: object) -> random.Random:
    return random.Random(str(seed))  # no secret


class Killed(BaseException):
    """The process of this call is gone: no code of it runs any more, no `except` and no `finally`."""


class Plan:
    """Faults for the calls of one process.

    With a `seed` each call has a fault with the probability `rate`, decided by the seed, the call's
    name and how often it was called before, so that other calls change nothing. With `exactly`
    ({"Journal.claim#2": "slow"}: its second call) just those. `calls` are all calls that were made,
    `injected` what went wrong: the latter, given as `exactly` with the same seed, is the same plan again.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int = 0,
        rate: float = 0.0,
        exactly: Mapping[str, Kind] | None = None,
    ) -> None:
        self._clock = clock
        self._seed = seed
        self._rate = rate
        self._exactly = exactly or {}
        self._counts: dict[str, int] = {}
        self.calls: list[str] = []
        self.injected: dict[str, Kind] = {}
        self.is_dead = False
        self.death = asyncio.Event()
        self._awake = asyncio.Event()
        self._awake.set()

    def __str__(self) -> str:
        return f"Plan(seed={self._seed}, rate={self._rate}): {self.injected}"

    def stop(self) -> None:
        """Let nothing go wrong any more."""
        self._rate = 0.0
        self._exactly = {}

    def at_next(self, call: str, kind: Kind, *, times: int = 1) -> None:
        """Let the next calls of this name ("Journal.beat") go wrong."""
        n = self._counts.get(call, 0)
        faults = {f"{call}#{n + k}": kind for k in range(1, times + 1)}
        self._exactly = {**self._exactly, **faults}

    def choose(self, call: str, kinds: Sequence[Kind]) -> Kind | None:
        """Say what goes wrong with this call, which can go wrong in these ways."""
        if self.is_dead:
            raise Killed(call)
        n = self._counts[call] = self._counts.get(call, 0) + 1
        name = f"{call}#{n}"
        self.calls.append(name)
        kind = self._exactly.get(name) or self._by_seed(name, kinds)
        if kind is not None:
            self.injected[name] = kind
        return kind

    def _by_seed(self, name: str, kinds: Sequence[Kind]) -> Kind | None:
        if not kinds or not self._rate:
            return None
        dice = dice_of(f"{self._seed} {name}")
        return dice.choice(kinds) if dice.random() < self._rate else None

    async def lag(self, call: str) -> None:
        dice = dice_of(f"{self._seed} {call} {self._counts[call]} lag")
        await self._clock.sleep(dice.choice(LAGS_S))

    def kill(self) -> None:
        """Let nothing that this process calls have an effect from now on, nor any answer reach it."""
        self.is_dead = True
        self.death.set()
        self._awake.set()

    def pause(self) -> None:
        """Stop the process (SIGSTOP): it stands still at the next call that it awaits."""
        self._awake.clear()

    def resume(self) -> None:
        self._awake.set()

    async def pass_gate(self, call: str) -> None:
        await self._awake.wait()
        self.require_life(call)

    def require_life(self, call: str) -> None:
        if self.is_dead:
            raise Killed(call)

    async def cancel_victim(self) -> None:
        if (task := victim.get()) is not None:
            task.cancel()
            await asyncio.sleep(0)
