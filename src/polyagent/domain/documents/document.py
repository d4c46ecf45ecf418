"""Documents: files that people upload, the text in them, and the chunks that answers come from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from polyagent.domain.agent import Metadata, Name, Visibility
from polyagent.domain.task import TaskError

KIND = "ingest"
INDEX_LOST = TaskError(
    code="index_lost",
    detail="What was to index it ended without having done so: index it again.",
    retryable=True,
)

DocumentStatus = Literal["uploaded", "processing", "indexed", "failed"]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document as clients see it. `sha256` is in hexadecimal; `progress` goes from 0 to 1.

    While one is indexed again, and also if that fails, its chunks stay what they were.
    """

    id: UUID
    workspace_id: UUID
    owner_id: UUID
    filename: str
    content_type: str
    size_bytes: int
    sha256: str
    status: DocumentStatus = "uploaded"
    error: TaskError | None = None
    progress: float = 0.0
    chunk_count: int = 0
    collection: str | None = None
    visibility: Visibility = "private"
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    version: int = 1
    created_at: datetime
    indexed_at: datetime | None = None


class NewDocument(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What its owner says of a file."""

    collection: Name | None = None
    visibility: Visibility = "private"
    metadata: Metadata = msgspec.field(default_factory=dict)


class IndexAgain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`document_ids` None: all of one's own."""

    document_ids: (
        Annotated[tuple[UUID, ...], msgspec.Meta(min_length=1, max_length=1000)] | None
    ) = None


class DocumentPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How large a file may be, and all of a user together."""

    max_upload_bytes: int
    user_bytes: int


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a document's text: the characters from `start` to before `end` of what was extracted.

    `n` counts from 0 in the document's order, `page` from 1. `headings` are those it stands under, the
    outermost first. `tokens` is an estimate.
    """

    id: UUID
    document_id: UUID
    n: int
    text: str
    page: int | None = None
    start: int
    end: int
    headings: Sequence[str] = ()
    tokens: int = 0


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """An index of a document that is being made; `version` grows with each and fences off those before."""

    document: Document
    blob: str
    version: int


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A span of extracted text that is one thing. `level` is a heading's, 1 the highest."""

    kind: Literal["heading", "paragraph", "table", "code"]
    start: int
    end: int
    level: int = 0


class Extracted(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says. `pages` are the positions at which its pages begin; none: it has no pages.

    `blocks` are in order and do not overlap; what is in none of them is white space.
    """

    text: str
    pages: Sequence[int] = ()
    blocks: Sequence[Block] = ()
