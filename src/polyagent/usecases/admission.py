"""How a run that somebody asks for is admitted, and begun where it was asked for."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from msgspec.structs import replace

from polyagent.domain.account import Actor
from polyagent.domain.errors import (
    Conflict,
    Impossible,
    Invalid,
    ModelServiceMissing,
    NotFound,
    StoreUnavailable,
    ToolsRefused,
)
from polyagent.domain.run import Admitted, IdempotencyKey, NewRun
from polyagent.ports.executor import Executor
from polyagent.ports.runs import Ground, Runs

STANDS_NO_MORE = (NotFound, Conflict, Impossible, Invalid, ModelServiceMissing, ToolsRefused)
"""What an ask meets when what it stood on has changed: what was admitted before is still what it is."""


class Admission:
    def __init__(self, runs: Runs, executor: Executor) -> None:
        self._runs = runs
        self._executor = executor

    async def __call__(
        self,
        actor: Actor,
        key: IdempotencyKey | None,
        stands: Callable[[], Awaitable[tuple[NewRun, Ground]]],
        *,
        fetches: bool,
        background: bool = False,
    ) -> Admitted:
        """Admit the run that `stands` makes, and execute it here at once unless it must wait or is for the background.

        Under a key what was admitted before is returned: at once if `stands` fetches something, since by
        now that may be gone or another; else also where the ask stands no more. Raises as `stands` and
        `Runs.admit` do.
        """
        if fetches and (before := await self._before(actor, key)) is not None:
            return before
        try:
            run, ground = await stands()
        except STANDS_NO_MORE:
            if (before := await self._before(actor, key)) is None:
                raise
            return before
        return await self._admit(actor, run, ground, key, background=background)

    async def _before(self, actor: Actor, key: IdempotencyKey | None) -> Admitted | None:
        return None if key is None else await self._runs.replayed(actor, key)

    async def _admit(
        self,
        actor: Actor,
        run: NewRun,
        ground: Ground,
        key: IdempotencyKey | None,
        *,
        background: bool,
    ) -> Admitted:
        if (traceparent := self._executor.traceparent()) is not None:
            run = replace(run, spec=replace(run.spec, traceparent=traceparent))
        async with self._executor.admitting(run.id, actor.user_id) as worker_id:
            here = None if background else worker_id
            admitted = await self._settled(actor, run, ground, here, key)
            if admitted.work is not None:
                self._executor.launch(admitted.work)
        if admitted.run.status == "queued":
            self._executor.wake()
        return admitted

    async def _settled(
        self,
        actor: Actor,
        run: NewRun,
        ground: Ground,
        worker_id: UUID | None,
        key: IdempotencyKey | None,
    ) -> Admitted:
        """Admit; where the answer was lost ask once more, which tells what became of the run."""
        try:
            return await self._runs.admit(actor, run, ground, worker_id=worker_id, key=key)
        except StoreUnavailable:
            return await self._runs.admit(actor, run, ground, worker_id=worker_id, key=key)
