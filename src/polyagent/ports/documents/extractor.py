from collections.abc import AsyncGenerator, AsyncIterator
from typing import Protocol

from polyagent.domain.documents.chunking import Piece
from polyagent.domain.documents.document import Document


class Extractor(Protocol):
    def __call__(
        self, document: Document, content: AsyncIterator[bytes]
    ) -> AsyncGenerator[Piece, None]:
        """Read a document, and return its text cut to chunks, in order, as it is asked for them.

        What reads it has little memory and time, and can harm nobody. Raises `DocumentUnreadable`,
        `TaskFailed` if it was ended and may be tried again, and what `content` raises.
        """
