"""PolyAgent over the memory of this process: for the tests of those who use the library."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from dishka import AsyncContainer, Provider

from polyagent.adapters.memory.models import ScriptedModels
from polyagent.app.extension import App
from polyagent.app.library import memory_container
from polyagent.app.polyagent import PolyAgent
from polyagent.app.running import living
from polyagent.domain.account import DEFAULT_WORKSPACE, Account, Actor, User
from polyagent.domain.ids import new_id
from polyagent.ports.clock import Clock
from polyagent.ports.models import Models
from polyagent.ports.store import Store
from polyagent.settings import Settings


@asynccontextmanager
async def in_memory(
    *overrides: App | Provider, models: Models | None = None, settings: Settings | None = None
) -> AsyncIterator[PolyAgent]:
    """Give PolyAgent without anything outside this process, in milliseconds; it forgets all in the end.

    Runs are executed here. Without `models` it answers with an echo. Neither the environment nor
    installed plugins count. Raises `SettingsError`.
    """
    from polyagent.adapters.telemetry.logging import configure_library_logging

    configure_library_logging()
    use_cases = memory_container(
        _with_secret(settings or Settings()), models or ScriptedModels(), *overrides
    )
    async with living(use_cases):
        yield PolyAgent(use_cases, await _furnished(use_cases))


def _with_secret(settings: Settings) -> Settings:
    if settings.auth.jwt_secret is not None:
        return settings
    auth = msgspec.structs.replace(settings.auth, jwt_secret=secrets.token_urlsafe(32))
    return msgspec.structs.replace(settings, auth=auth)


async def _furnished(use_cases: AsyncContainer) -> Actor:
    """Make the built-in agents and an administrator without a password: hashing one takes longer than all else."""
    from polyagent.usecases.agents import ManageAgents

    await (await use_cases.get(ManageAgents)).make_builtin()
    clock: Clock = await use_cases.get(Clock)
    store: Store = await use_cases.get(Store)
    now = clock.now()
    user = User(
        id=new_id(),
        workspace_id=DEFAULT_WORKSPACE,
        username="admin",
        email="admin@localhost",
        role="admin",
        created_at=now,
        updated_at=now,
    )
    async with store.begin(Actor.system()) as tx:
        await tx.accounts.add(Account(user=user, password_hash=""))
    return Actor(user_id=user.id, workspace_id=user.workspace_id, role=user.role)
