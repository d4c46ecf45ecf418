"""Writing the postings of a document's chunks, in the transactions of its index."""

from collections import Counter
from collections.abc import Mapping, Sequence

from asyncpg.pool import PoolConnectionProxy

from polyagent.adapters.postgres.pool import SCHEMA
from polyagent.domain.documents.document import Build, Chunk
from polyagent.domain.documents.terms import terms_of_chunk

Counted = Mapping[int, Counter[str]]

COLUMNS = ("shelf_id", "term", "index_no", "n", "tf", "length")

# 1 document, 2 build
BEGIN = """
WITH d AS (
    SELECT workspace_id, CASE WHEN visibility = 'private' THEN user_id END AS user_id, collection
    FROM documents WHERE id = $1
), shelf AS (
    INSERT INTO shelves (workspace_id, user_id, collection) SELECT * FROM d
    ON CONFLICT (workspace_id, user_id, collection)
    DO UPDATE SET workspace_id = excluded.workspace_id
    RETURNING id
)
INSERT INTO indexes (document_id, version, shelf_id) SELECT $1, $2, id FROM shelf
"""

# 1 document, 2 the build to keep
DISCARD = "DELETE FROM indexes WHERE document_id = $1 AND version <> $2"

# 1 document, 2 build, 3 chunks, 4 their length
GROW = """
UPDATE indexes SET chunks = chunks + $3, length = length + $4
WHERE document_id = $1 AND version = $2
RETURNING shelf_id, no
"""

# 1 document, 2 build
USE = """
WITH used AS (
    UPDATE indexes SET in_use = version = $2 WHERE document_id = $1 RETURNING in_use
)
SELECT coalesce(bool_or(in_use), false) FROM used
"""


def count(chunks: Sequence[Chunk], filename: str) -> Counted:
    """Return the terms of each chunk, by its `n`: much to compute, and nothing to wait for."""
    return {chunk.n: Counter(terms_of_chunk(chunk, filename)) for chunk in chunks}


async def write(connection: PoolConnectionProxy, build: Build, counted: Counted) -> bool:
    """Return False if the build's index is gone: its task has ended."""
    lengths = {n: terms.total() for n, terms in counted.items()}
    which = (build.document.id, build.version)
    row = await connection.fetchrow(GROW, *which, len(counted), sum(lengths.values()))
    if row is None:
        return False
    shelf_id, no = row
    rows = (
        (shelf_id, term, no, n, tf, lengths[n])
        for n, terms in counted.items()
        for term, tf in terms.items()
    )
    await connection.copy_records_to_table(
        "postings", records=rows, columns=COLUMNS, schema_name=SCHEMA
    )
    return True
