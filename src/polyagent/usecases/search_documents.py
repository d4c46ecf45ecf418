"""Searching documents: by hand, by a model's tool, and for a question to an agent that has documents."""

from collections.abc import Sequence
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.chat import FilePart, Part, text_of
from polyagent.domain.documents.retrieval import (
    MAX_QUERY_CHARACTERS,
    NO_EMBEDDINGS,
    FoundPassages,
    Passage,
    Reach,
    SearchDocuments,
)
from polyagent.domain.documents.terms import query_terms
from polyagent.domain.errors import Fault, NotFound, NotSupported
from polyagent.domain.run import Spec
from polyagent.ports.retrieval import Retrieval

AUTOMATIC = 6


class FindDocuments:
    """What POST /documents/search does."""

    def __init__(self, retrieval: Retrieval) -> None:
        self._retrieval = retrieval

    async def __call__(self, actor: Actor, ask: SearchDocuments) -> FoundPassages:
        """Raises `NotFound` for documents that are not the actor's to see, `NotSupported`, `StoreUnavailable`."""
        actor.require("documents:read")
        if ask.mode == "vector":
            raise NotSupported(NO_EMBEDDINGS, faults=(Fault("#/mode", NO_EMBEDDINGS),))
        if ask.document_ids is not None:
            await require_documents(self._retrieval, actor, ask.document_ids, "#/document_ids/{n}")
        reach = reach_of(actor, ask.collection, ask.document_ids)
        items = await self._retrieval.by_terms(reach, query_terms(ask.query), ask.top_k)
        note = NO_EMBEDDINGS if ask.mode == "hybrid" else None
        return FoundPassages(items=items, mode="text", note=note)


async def require_documents(
    retrieval: Retrieval, actor: Actor, named: Sequence[UUID], pointer: str
) -> None:
    """Raise `NotFound` for ids of documents that the actor can neither own nor share.

    `pointer` says where the `n`th was named.
    """
    if not named:
        return
    known = await retrieval.known(reach_of(actor, None, named))
    faults = tuple(
        Fault(pointer.format(n=n), f"There is no document {document_id}.")
        for n, document_id in enumerate(named)
        if document_id not in known
    )
    if faults:
        raise NotFound(faults[0].detail, faults=faults)


async def with_documents(
    retrieval: Retrieval,
    actor: Actor,
    spec: Spec,
    question: Sequence[Part],
    *,
    attached: bool = False,
) -> Spec:
    """Return the spec with what its documents say of a question; files of the question are among them.

    Of documents that were `attached` to it, as files are, it has at least how they begin. Raises `NotFound` for files that are not the actor's to see.
    """
    files = tuple(part.document_id for part in question if isinstance(part, FilePart))
    if files:
        actor.require("documents:read")
        await require_documents(retrieval, actor, files, "#/message")
        spec = spec.with_files(files)
    if not spec.has_documents:
        return spec
    reach = reach_of(actor, spec.collection, spec.document_ids or None)
    terms = query_terms(text_of(tuple(question))[:MAX_QUERY_CHARACTERS])
    found = await retrieval.by_terms(reach, terms, AUTOMATIC)
    if (files or attached) and len(found) < AUTOMATIC:
        found = _joined(found, await retrieval.first(reach, AUTOMATIC))
    return spec.with_passages(found)


def _joined(found: Sequence[Passage], first: Sequence[Passage]) -> Sequence[Passage]:
    known = {passage.chunk_id for passage in found}
    return [*found, *(each for each in first if each.chunk_id not in known)][:AUTOMATIC]


def reach_of(actor: Actor, collection: str | None, named: Sequence[UUID] | None) -> Reach:
    return Reach(
        workspace_id=actor.workspace_id,
        user_id=actor.user_id,
        collection=collection,
        document_ids=None if named is None else tuple(named),
    )
