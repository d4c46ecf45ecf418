"""What reads documents."""

from collections.abc import Iterator
from contextlib import closing

from dishka import Provider, Scope, provide

from polyagent.adapters.extraction.extractor import ChildExtractor
from polyagent.domain.documents.chunking import Sizes
from polyagent.ports.documents.extractor import Extractor
from polyagent.settings import Documents


class ExtractionProvider(Provider):
    scope = Scope.APP

    @provide
    def extractor(self, settings: Documents) -> Iterator[Extractor]:
        sizes = Sizes(most=settings.chunk_tokens, overlap=settings.chunk_overlap_tokens)
        with closing(ChildExtractor(sizes)) as extractor:
            yield extractor
