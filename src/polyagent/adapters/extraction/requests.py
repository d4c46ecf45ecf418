"""What the child is asked and answers. The server imports this, and none of the libraries that read files."""

import msgspec

from polyagent.domain.documents.chunking import Piece, Sizes

CPU_S = 20
MEMORY_BYTES = 400 * 1024 * 1024
MAX_CHARACTERS = 20_000_000
MAX_PAGES = 20_000


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of the child's input; behind it come the bytes of the file."""

    content_type: str
    size_bytes: int
    sizes: Sizes
    cpu_s: int = CPU_S


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    detail: str


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of the child's output: a batch of pieces, or in the end `done`, or why there is nothing."""

    pieces: tuple[Piece, ...] = ()
    done: bool = False
    refusal: Refusal | None = None
