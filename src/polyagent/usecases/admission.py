"""How a run that somebody asks for is admitted, and begun where it was asked for."""

from uuid import UUID

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
        run: NewRun,
        ground: Ground,
        key: IdempotencyKey | None,
        *,
        background: bool = False,
    ) -> Admitted:
        """Admit a run, and execute it here at once unless it must wait or is for the background.

        Raises as `Runs.admit` does.
        """
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
