"""Which documents a question is about."""

from collections.abc import Sequence
from itertools import islice
from uuid import UUID

from polyagent.adapters.cli.chat.conversation import BUILTIN
from polyagent.adapters.cli.exits import Failed
from polyagent.adapters.cli.server import Server

MOST = 1000
"""How many documents one question may name."""


def indexed(server: Server, collection: str | None) -> list[str]:
    """Return the documents that answers can come from: one's own and those that are shared.

    An administrator sees others' private ones in the list, but is not answered from them. Raises `Failed`
    for none, and for too many.
    """
    user_id = server.user_id()
    query = {"status": "indexed"} | ({} if collection is None else {"collection": collection})
    found = (
        str(each["id"])
        for each in server.documents(**query)
        if each["owner_id"] == user_id or each["visibility"] == "shared"
    )
    ids = [*islice(found, MOST + 1)]
    where = "" if collection is None else f" in {collection}"
    if not ids:
        raise Failed(f"There is no indexed document{where}: name files, or add some first.")
    if len(ids) > MOST:
        raise Failed(
            f"There are more than {MOST} documents{where}: name a smaller collection, or make an agent"
            " that has the collection and ask it with --agent."
        )
    return ids


def asked_about(
    server: Server,
    named: Sequence[UUID],
    uploaded: Sequence[str],
    *,
    collection: str | None,
    agent: str | None,
) -> list[str]:
    """Return those that are named and were uploaded; else all of the collection.

    None for an agent of somebody's own that is asked without any of these: it may have documents itself.
    """
    if ids := [*dict.fromkeys([*map(str, named), *uploaded])]:
        return ids
    is_own = agent is not None and agent not in BUILTIN
    return [] if is_own and collection is None else indexed(server, collection)
