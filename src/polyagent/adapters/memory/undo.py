"""What a transaction changed, so that it can be taken back."""

from collections.abc import Callable, MutableMapping
from functools import partial
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Undo:
    """Writes, and remembers how to undo each write."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []

    def put(self, table: MutableMapping[K, V], key: K, row: V) -> None:
        if key in table:
            self._steps.append(partial(table.__setitem__, key, table[key]))
        else:
            self._steps.append(partial(table.pop, key, None))
        table[key] = row

    def remove(self, table: MutableMapping[K, V], key: K) -> None:
        self._steps.append(partial(table.__setitem__, key, table[key]))
        del table[key]

    def include(self, keys: set[K], key: K) -> None:
        self._steps.append(partial(keys.discard, key))
        keys.add(key)

    def roll_back(self) -> None:
        while self._steps:
            self._steps.pop()()
