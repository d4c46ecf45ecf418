"""What `polyagent selftest` is asked, and what it found."""

from collections.abc import Iterator

import msgspec

from polyagent.domain.errors import PolyAgentError


class SelftestBroken(PolyAgentError):
    """The drill itself could not be held; it says nothing about the server's promises."""

    code = "selftest_broken"


class SelftestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`seed` decides what is asked, who reads where and whom the kills hit; not how fast things go."""

    seed: int
    kills: int


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """`lost` were accepted and never ended; `refused` were never accepted."""

    asked: int
    accepted: int
    completed: int
    failed: int
    lost: int

    @property
    def refused(self) -> int:
        return self.asked - self.accepted


class Kills(msgspec.Struct, frozen=True, kw_only=True):
    """`in_a_call` hit a process in the middle of at least one tool call, `calls` in all."""

    asked: int
    done: int
    in_a_call: int
    calls: int


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Tool calls of every effect, and what the ledger saw of them.

    `after_result` began although the call's result was recorded; `invented` results come from no
    execution; `unended` calls have neither result nor doubt.
    """

    asked: int
    recorded: int
    executions: int
    after_result: int
    invented: int
    unended: int


class OnceCalls(msgspec.Struct, frozen=True, kw_only=True):
    """`told` of those in doubt reached the model as such."""

    asked: int
    executed_once: int
    executed_again: int
    in_doubt: int
    told: int


class Repeats(msgspec.Struct, frozen=True, kw_only=True):
    """Executions of read and write calls beyond a call's first."""

    same_key: int
    other_key: int


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """Events that the readers got, held against the journal; `refused` readers were sent away for good.

    `examples` name some of what was missed or refused.
    """

    readers: int
    reconnects: int
    read: int
    missed: int
    repeated: int
    out_of_order: int
    refused: int
    examples: tuple[str, ...] = ()


class Takeovers(msgspec.Struct, frozen=True, kw_only=True):
    """From the kill to the first word of the next executor, as a client reads it; None: there was none."""

    seen: int
    median_s: float | None
    worst_s: float | None


class SelftestReport(msgspec.Struct, frozen=True, kw_only=True):
    version: str
    seed: int
    seconds: float
    ground: tuple[str, ...]
    runs: Runs
    kills: Kills
    calls: Calls
    once: OnceCalls
    repeats: Repeats
    events: Events
    takeovers: Takeovers

    @property
    def held(self) -> bool:
        return not self.faults()

    def faults(self) -> list[str]:
        """Return every promise that was broken, and whatever keeps the drill from proving them."""
        return [*self._unproven(), *self._lost(), *self._repeated(), *self._misread()]

    def _unproven(self) -> Iterator[str]:
        yield from _if(self.kills.asked - self.kills.done, "kills that found no tool call in time")
        if not self.kills.in_a_call:
            yield "no kill hit a tool call, so nothing was proven"

    def _lost(self) -> Iterator[str]:
        yield from _if(self.runs.lost, "accepted runs that never ended")
        yield from _if(self.runs.failed, "runs that failed")
        yield from _if(self.runs.refused, "runs that were not accepted")
        yield from _if(self.calls.unended, "tool calls without an outcome")
        yield from _if(self.calls.invented, "recorded results that come from no execution")

    def _repeated(self) -> Iterator[str]:
        yield from _if(self.calls.after_result, "executions begun after the result was recorded")
        yield from _if(self.once.executed_again, "`once` calls that ran more than once")
        untold = self.once.in_doubt - self.once.told
        yield from _if(untold, "calls in doubt that the model was not told of")
        yield from _if(self.repeats.other_key, "executions repeated under another key")

    def _misread(self) -> Iterator[str]:
        yield from _if(self.events.missed, "events missed")
        yield from _if(self.events.repeated, "events repeated")
        yield from _if(self.events.out_of_order, "events out of order")
        yield from _if(self.events.refused, "readers refused")


def _if(count: int, what: str) -> Iterator[str]:
    if count:
        yield f"{what}: {count}"
