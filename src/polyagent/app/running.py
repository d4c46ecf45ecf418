"""What a process does beside answering: executing runs, and before that the first user and agents."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from dishka import AsyncContainer

from polyagent.domain.password import is_common
from polyagent.domain.startup import Prepared

log = structlog.get_logger("polyagent.accounts")


@asynccontextmanager
async def executing(use_cases: AsyncContainer) -> AsyncIterator[None]:
    """Execute runs, and keep house, until the block ends."""
    from polyagent.adapters.worker.executor import LocalExecutor
    from polyagent.adapters.worker.housekeeper import Housekeeper

    executor = await use_cases.get(LocalExecutor)
    housekeeper = await use_cases.get(Housekeeper)
    async with executor.running(), housekeeper.running():
        yield


@asynccontextmanager
async def working(use_cases: AsyncContainer) -> AsyncIterator[None]:
    """Execute runs, keep house, do tasks, fire schedules and embed documents, until the block ends."""
    from polyagent.adapters.worker.embedder import Embedder
    from polyagent.adapters.worker.executor import LocalExecutor
    from polyagent.adapters.worker.scheduler import Scheduler
    from polyagent.adapters.worker.tasks.runner import TaskRunner

    executor = await use_cases.get(LocalExecutor)
    runner = await use_cases.get(TaskRunner)
    scheduler = await use_cases.get(Scheduler)
    embedder = await use_cases.get(Embedder)
    async with executing(use_cases), embedder.running(), runner.running(), scheduler.running():
        try:
            yield
        finally:
            await asyncio.gather(runner.drain(), executor.drain())


@asynccontextmanager
async def living(use_cases: AsyncContainer) -> AsyncIterator[None]:
    """Do what `working` does, from the first run on, and close the container in the end."""
    from polyagent.adapters.worker.executor import LocalExecutor

    try:
        async with working(use_cases):
            await (await use_cases.get(LocalExecutor)).until_open()
            yield
    finally:
        await use_cases.close()


async def furnished(use_cases: AsyncContainer, password: str | None) -> Prepared:
    """Make the first administrator, with a generated password for None, and the built-in agents."""
    from polyagent.usecases.accounts import ManageAccounts
    from polyagent.usecases.agents import ManageAgents

    prepared = await (await use_cases.get(ManageAccounts)).first(password)
    if prepared.created and password is not None and is_common(password):
        log.warning(
            "admin.password_common",
            detail="POLYAGENT_ADMIN_PASSWORD is one of those that everybody tries first: change it.",
        )
    await (await use_cases.get(ManageAgents)).make_builtin()
    return prepared
