"""What a drill does, made from its seed alone: the same seed, the same asks and the same faults.

What a seed cannot fix is when they meet; so kills wait for a tool call of their process.
"""

import random
from collections.abc import Iterator
from itertools import count
from typing import Literal

import msgspec

from tests.chaos.ledger import EFFECTS

FaultKind = Literal[
    "kill", "stop", "drain", "flush", "kill_valkey", "stop_valkey", "restart_postgres"
]
How = Literal["stream", "chat", "background"]
Sends = Literal["once", "lost", "twice"]

TARGETS = ("gateway-1", "gateway-2", "worker-1", "worker-2")
ENGINES = "engines"
OTHER_FAULTS: tuple[FaultKind, ...] = (
    "stop", "drain", "flush", "kill_valkey", "stop_valkey", "restart_postgres",
)  # fmt: skip
SENDS: tuple[Sends, ...] = ("once", "lost", "twice")
OF_A_PROCESS = ("kill", "stop", "drain")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """It hits the first of `targets` that is not in trouble already; `pause_s` comes before it."""

    kind: FaultKind
    targets: tuple[str, ...]
    pause_s: float

    def __str__(self) -> str:
        return f"{self.kind} {self.targets[0]} after {self.pause_s:.2f} s"


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One message; its calls carry `mark`, so that no other is like it. `cancel_after` counts events."""

    mark: str
    message: str
    how: How
    sends: Sends = "once"
    cancel_after: int | None = None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """The asks of a turn are sent one after the other, without waiting for their ends."""

    user: int
    turns: list[list[Ask]]


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """A drill goes on until it had so many runs, faults, and kills in the middle of a tool call."""

    runs: int
    faults: int
    hits: int
    at_once: int
    users: int
    steps: tuple[int, int]
    call_ms: tuple[int, int]
    kills_between: int


LONG = Size(
    runs=200, faults=0, hits=110, at_once=14, users=4, steps=(3, 7), call_ms=(250, 900),
    kills_between=7,
)  # fmt: skip
SHORT = Size(
    runs=16, faults=12, hits=0, at_once=6, users=2, steps=(2, 3), call_ms=(200, 600),
    kills_between=1,
)  # fmt: skip


def faults(seed: int, size: Size) -> Iterator[Fault]:
    """Yield kills without end, and each other fault in turn among them."""
    dice = random.Random(f"{seed} faults")
    rest: list[FaultKind] = []
    while True:
        for _ in range(size.kills_between):
            yield _fault(dice, "kill")
        rest = rest or dice.sample(OTHER_FAULTS, k=len(OTHER_FAULTS))
        yield _fault(dice, rest.pop())


def _fault(dice: random.Random, kind: FaultKind) -> Fault:
    order = dice.sample(TARGETS, k=len(TARGETS))
    targets = tuple(order) if kind in OF_A_PROCESS else (ENGINES,)
    return Fault(kind=kind, targets=targets, pause_s=dice.uniform(0.3, 1.5))


def conversations(seed: int, size: Size) -> Iterator[Conversation]:
    """Yield conversations of a few turns without end; some turns are bursts into one session."""
    dice = random.Random(f"{seed} load")
    for number in count():
        turns = [
            [_ask(dice, size, f"c{number}.{turn}.{n}", burst=asks > 1) for n in range(asks)]
            for turn, asks in enumerate(dice.choices((1, 3), weights=(3, 1), k=dice.randint(2, 4)))
        ]
        yield Conversation(user=dice.randrange(size.users), turns=turns)


def _ask(dice: random.Random, size: Size, mark: str, *, burst: bool) -> Ask:
    how: How = "background" if burst else dice.choice(("stream", "stream", "chat", "background"))
    return Ask(
        mark=mark,
        message=_script(dice, size, mark),
        how=how,
        sends=dice.choices(SENDS, weights=(8, 1, 1))[0],
        cancel_after=dice.randint(1, 6) if how == "background" and dice.random() < 0.2 else None,
    )


def _script(dice: random.Random, size: Size, mark: str) -> str:
    """Return steps of tool calls, at times two side by side, and a last one of words."""
    lines = []
    for step in range(dice.randint(*size.steps)):
        calls = [_call(dice, size, f"{mark}.{step}.{n}") for n in range(dice.choice((1, 1, 2)))]
        lines.append(f"call {' ; '.join(calls)}")
    words = dice.randint(5, 25)
    return "\n".join([*lines, f"slow {words} {dice.randint(10, 40)}"])


def _call(dice: random.Random, size: Size, label: str) -> str:
    arguments = {"label": label, "ms": dice.randint(*size.call_ms)}
    return f"ledger_{dice.choice(EFFECTS)} {msgspec.json.encode(arguments).decode()}"
