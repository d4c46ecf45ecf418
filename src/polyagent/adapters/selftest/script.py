"""What the runs of a drill do: known beforehand, so that it can be held against what happened."""

from collections.abc import Iterator
from random import Random
from typing import Self

import msgspec

from polyagent.domain.tool import Effect

STEPS = 3
CALLS = (1, 1, 2)
EFFECTS: tuple[Effect, ...] = ("read", "write", "once")
HOLD_MS = (300, 900)


class Call(msgspec.Struct, frozen=True):
    """`hold_ms` is how long the tool works; `label` is unique in the drill."""

    label: str
    effect: Effect
    hold_ms: int


class Script(msgspec.Struct, frozen=True):
    """The tool calls of each step of a run; after the last step the model says that it is done."""

    number: int
    steps: tuple[tuple[Call, ...], ...]

    def message(self) -> str:
        """Return the user's message that has the model service follow this script."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, message: str) -> Self:
        return msgspec.json.decode(message, type=cls)


def scripts(chance: Random) -> Iterator[Script]:
    """Yield scripts for ever, the same ones for the same seed."""
    number = 0
    while True:
        yield Script(number, tuple(_step(chance, f"{number}.{n}") for n in range(STEPS)))
        number += 1


def _step(chance: Random, name: str) -> tuple[Call, ...]:
    return tuple(
        Call(f"{name}.{n}", chance.choice(EFFECTS), chance.randint(*HOLD_MS))
        for n in range(chance.choice(CALLS))
    )
