"""Searching documents: by hand, by a model's tool, and for a question to an agent that has documents."""

from collections.abc import Sequence
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.chat import FilePart, Part, text_of
from polyagent.domain.documents.retrieval import (
    MAX_QUERY_CHARACTERS,
    FoundPassages,
    Passage,
    Reach,
    SearchDocuments,
)
from polyagent.domain.errors import Fault, NotFound
from polyagent.domain.run import Spec
from polyagent.ports.documents.retrieval import Retrieval
from polyagent.usecases.documents.passage_search import PassageSearch

AUTOMATIC = 6


class FindDocuments:
    """What POST /documents/search does."""

    def __init__(self, search: PassageSearch) -> None:
        self._search = search

    async def __call__(self, actor: Actor, ask: SearchDocuments) -> FoundPassages:
        """Raises `NotFound` for documents that are not the actor's to see, `NotSupported`, `StoreUnavailable`."""
        actor.require("documents:read")
        if ask.document_ids is not None:
            pointer = "#/document_ids/{n}"
            await require_documents(self._search.retrieval, actor, ask.document_ids, pointer)
        reach = reach_of(actor, ask.collection, ask.document_ids)
        return await self._search(reach, ask.query, ask.top_k, ask.mode)


async def require_documents(
    retrieval: Retrieval,
    actor: Actor,
    named: Sequence[UUID],
    pointer: str,
    *,
    kept: Sequence[UUID] = (),
) -> None:
    """Raise `NotFound` for ids of documents that the actor can neither own nor share.

    `pointer` says where the `n`th was named. Those that are `kept` stay, though they may be gone by now, or
    somebody else's.
    """
    known = frozenset(kept)
    if not (asked := [each for each in named if each not in known]):
        return
    known |= await retrieval.known(reach_of(actor, None, asked))
    faults = tuple(
        Fault(pointer.format(n=n), f"There is no document {document_id}.")
        for n, document_id in enumerate(named)
        if document_id not in known
    )
    if faults:
        raise NotFound(faults[0].detail, faults=faults)


async def with_documents(
    search: PassageSearch,
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
        await require_documents(search.retrieval, actor, files, "#/message")
        spec = spec.with_files(files)
    if not spec.has_documents:
        return spec
    reach = reach_of(actor, spec.collection, spec.document_ids or None)
    query = text_of(tuple(question))[:MAX_QUERY_CHARACTERS]
    found = (await search(reach, query, AUTOMATIC, "hybrid")).items
    if (files or attached) and len(found) < AUTOMATIC:
        found = _joined(found, await search.retrieval.first(reach, AUTOMATIC))
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
