"""Ports that fail by a plan: a wrapper for any of them, generated from its Protocol."""

import functools
import inspect
import typing
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    contextmanager,
)
from typing import Any, TypeVar

from tests.fault_plan import Kind, Plan
from tests.fault_ways import WAYS, Answers, NeverFails, Raises, Way

P = TypeVar("P")

NOW: Sequence[Kind] = ("unavailable", "lost_answer")
LATER: Sequence[Kind] = ("slow_answer", "cancelled")


def faulty(port: type, real: P, plan: Plan) -> P:
    """Return `real` behind a wrapper that has every member of `port` and fails by the plan."""
    wrapper: P = _class_of(port)(real, plan)
    return wrapper


def members(port: type) -> dict[str, Any]:
    """Return the functions and properties of a port, by name."""
    found: dict[str, Any] = {}
    for base in reversed(port.__mro__):
        if typing.is_typeddict(base) or not getattr(base, "_is_protocol", False):
            continue
        for name, value in vars(base).items():
            is_own = not name.startswith("_") or name == "__call__"
            if is_own and (inspect.isfunction(value) or isinstance(value, property)):
                found[name] = value
    return found


def methods(port: type) -> dict[str, Callable[..., Any]]:
    return {name: each for name, each in members(port).items() if inspect.isfunction(each)}


class _Call:
    """One method of one port, in one wrapper class."""

    def __init__(self, port: type, name: str, declared: Callable[..., Any]) -> None:
        self.name = f"{port.__name__}.{name}"
        self.method = name
        self.way: Way = WAYS[port][name]
        self.gives = typing.get_type_hints(declared).get("return")

    @property
    def kinds(self) -> Sequence[Kind]:
        """Return how it fails by itself, beside what happens to whoever calls it."""
        return () if isinstance(self.way, NeverFails) else NOW

    @property
    def is_at_once(self) -> bool:
        return isinstance(self.way, Answers) and self.way.at_once

    def failed(self, *, midway: bool = False) -> Any:
        """Raise the port's error, or return what it answers instead."""
        match self.way:
            case Raises(error, broken):
                raise (broken if midway and broken else error)(f"{self.name} was made to fail.")
            case Answers(value):
                return value
            case NeverFails(because):
                raise AssertionError(f"{self.name} cannot fail: {because}")

    def wrapped(self, plan: Plan, value: Any) -> Any:
        """Return `value`, behind a wrapper of its own if it is a port too."""
        (port,) = typing.get_args(self.gives)[:1] or (self.gives,)
        return faulty(port, value, plan) if port in WAYS else value


class _Base:
    def __init__(self, real: Any, plan: Plan) -> None:
        self._real = real
        self._plan = plan


@functools.cache
def _class_of(port: type) -> Callable[[Any, Plan], Any]:
    namespace = {name: _member(port, name, each) for name, each in members(port).items()}
    return type(f"Faulty{port.__name__}", (_Base,), namespace)


def _member(port: type, name: str, declared: Any) -> Any:
    if isinstance(declared, property):
        return _property(name, typing.get_type_hints(declared.fget)["return"])
    call = _Call(port, name, declared)
    if inspect.iscoroutinefunction(declared):
        return _coroutine(call)
    shapes = {
        AsyncGenerator: _generator,
        AbstractAsyncContextManager: _async_block,
        AbstractContextManager: _block,
    }
    return shapes.get(typing.get_origin(call.gives) or object, _plain)(call)


def _property(name: str, port: Any) -> property:
    def get(self: _Base) -> Any:
        value = getattr(self._real, name)
        return faulty(port, value, self._plan) if port in WAYS else value

    return property(get)


def _plain(call: _Call) -> Callable[..., Any]:
    def method(self: _Base, *args: Any, **options: Any) -> Any:
        kind = self._plan.choose(call.name, call.kinds)
        if kind == "dies_before":
            self._plan.kill()
        self._plan.require_life(call.name)
        if kind == "unavailable":
            return call.failed()
        value = getattr(self._real, call.method)(*args, **options)
        if kind == "dies_after":
            self._plan.kill()
        self._plan.require_life(call.name)
        return call.failed() if kind == "lost_answer" else value

    return method


def _coroutine(call: _Call) -> Callable[..., Any]:
    async def method(self: _Base, *args: Any, **options: Any) -> Any:
        kind = await _begin(self._plan, call)
        if kind == "unavailable":
            return call.failed()
        value = await getattr(self._real, call.method)(*args, **options)
        await _end(self._plan, call, kind)
        return call.failed() if kind == "lost_answer" else value

    return method


async def _begin(plan: Plan, call: _Call) -> Kind | None:
    early: Sequence[Kind] = () if call.is_at_once else ("slow",)
    kind = plan.choose(call.name, (*call.kinds, *LATER, *early))
    if kind == "dies_before":
        plan.kill()
    if not call.is_at_once:
        await plan.pass_gate(call.name)
    if kind == "slow":
        await plan.lag(call.name)
    if kind == "cancelled":
        await plan.cancel_victim()
    plan.require_life(call.name)
    return kind


async def _end(plan: Plan, call: _Call, kind: Kind | None) -> None:
    if kind == "dies_after":
        plan.kill()
    if kind == "slow_answer":
        await plan.lag(call.name)
    await plan.pass_gate(call.name)


def _generator(call: _Call) -> Callable[..., Any]:
    async def method(self: _Base, *args: Any, **options: Any) -> AsyncGenerator[Any, None]:
        kind = await _begin(self._plan, call)
        if kind == "unavailable":
            call.failed()
        stream = getattr(self._real, call.method)(*args, **options)
        async with aclosing(stream) as items:
            async for item in items:
                await self._plan.pass_gate(call.name)
                yield item
        await _end(self._plan, call, kind)
        if kind == "lost_answer":
            call.failed(midway=True)

    return method


def _async_block(call: _Call) -> Callable[..., Any]:
    @asynccontextmanager
    async def method(self: _Base, *args: Any, **options: Any) -> AsyncIterator[Any]:
        kind = await _begin(self._plan, call)
        if kind == "unavailable":
            call.failed()
        async with getattr(self._real, call.method)(*args, **options) as value:
            yield call.wrapped(self._plan, value)
        await _end(self._plan, call, kind)
        if kind == "lost_answer":
            call.failed()

    return method


def _block(call: _Call) -> Callable[..., Any]:
    @contextmanager
    def method(self: _Base, *args: Any, **options: Any) -> Iterator[Any]:
        kind = self._plan.choose(call.name, call.kinds)
        with getattr(self._real, call.method)(*args, **options) as value:
            yield call.failed() if kind is not None else value
        self._plan.require_life(call.name)

    return method
