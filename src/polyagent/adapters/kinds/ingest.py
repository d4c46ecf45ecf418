"""Tasks of the kind `ingest`: a document is read and indexed."""

from typing import Any
from uuid import UUID

import msgspec

from polyagent.adapters.kinds.payload import payload_of
from polyagent.domain.account import Actor
from polyagent.domain.documents.document import KIND
from polyagent.domain.errors import Fenced, TaskGivenUp
from polyagent.domain.task import TaskWork
from polyagent.ports.kinds import TaskControl
from polyagent.usecases.documents.ingest import IngestDocument, Ingested


class Ingest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    document_id: UUID


class IngestTasks:
    name = KIND
    max_attempts: int | None = None
    timeout_s: float | None = None

    def __init__(self, ingest: IngestDocument) -> None:
        self._ingest = ingest

    def check(self, actor: Actor, payload: dict[str, Any]) -> None:
        actor.require("documents:write")
        payload_of(payload, Ingest)

    async def __call__(self, work: TaskWork, control: TaskControl) -> Ingested | None:
        """Return None if others index the document by now, or it is deleted."""
        if work.actor is None:
            raise TaskGivenUp("There is nobody to index for.")
        document_id = payload_of(work.payload, Ingest).document_id
        try:
            return await self._ingest(work.actor, document_id, work, control)
        except Fenced:
            return None
