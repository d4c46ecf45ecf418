"""Whatever port somebody overrides, the use cases get theirs."""

import importlib
import inspect
import pkgutil
import typing
from typing import Any

import pytest
from dishka import Provider, Scope

from polyagent import ports
from polyagent.adapters.memory.models import ScriptedModels
from polyagent.app import container
from polyagent.app.library import memory_container
from polyagent.app.providers import UseCaseProvider
from polyagent.settings import Auth, Settings

SETTINGS = Settings(auth=Auth(jwt_secret="s" * 32))

PARTS = {
    *("Accounts", "Agents", "Sessions", "Tasks", "Transaction"),  # of the store
    *("Control", "Feed", "TaskControl", "Kind"),  # made for one run, one reader, one task
    *("Console", "Probe"),  # of the command line; of health, which is a use case over several
}


def _protocols() -> list[type]:
    modules = [
        importlib.import_module(f"{ports.__name__}.{module.name}")
        for module in pkgutil.iter_modules(ports.__path__)
    ]
    return [
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__ == module.__name__ and getattr(kind, "_is_protocol", False)
    ]


PORTS = [kind for kind in _protocols() if kind.__name__ not in PARTS]
USE_CASES = [
    source.provides.type_hint
    for source in UseCaseProvider().factories
    if inspect.isclass(source.provides.type_hint)
    and source.provides.type_hint.__module__.startswith("polyagent.usecases")
]


class Stub:
    """Stands where a port is asked for, and takes whatever a constructor does with it."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def overriding(port: type) -> tuple[Stub, Provider]:
    stub, provider = Stub(), Provider(scope=Scope.APP)
    provider.provide(lambda: stub, provides=port)
    return stub, provider


def test_there_are_ports_and_use_cases_to_look_at() -> None:
    assert len(PORTS) >= 18
    assert len(USE_CASES) >= 12


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
async def test_a_server_gets_the_port_that_an_override_gives(port: type) -> None:
    stub, provider = overriding(port)
    use_cases = container(SETTINGS, provider)

    got: object = await use_cases.get(port)
    await use_cases.close()

    assert got is stub


@pytest.mark.parametrize("port", PORTS, ids=lambda port: port.__name__)
async def test_every_use_case_that_asks_for_the_port_gets_the_override(port: type) -> None:
    stub, provider = overriding(port)
    use_cases = memory_container(SETTINGS, ScriptedModels(), provider)

    asking = [kind for kind in USE_CASES if port in typing.get_type_hints(kind.__init__).values()]
    made = [await use_cases.get(kind) for kind in asking]
    got: object = await use_cases.get(port)
    await use_cases.close()

    assert got is stub
    assert [
        kind for kind, use_case in zip(asking, made, strict=True) if not _holds(use_case, stub)
    ] == []


def _holds(holder: object, stub: Stub, *, depth: int = 2) -> bool:
    """Say whether an object, or a part of it, keeps the stub."""
    values = vars(holder).values() if hasattr(holder, "__dict__") else ()
    return any(
        value is stub
        or (depth > 0 and not isinstance(value, Stub) and _holds(value, stub, depth=depth - 1))
        for value in values
    )
