"""Searching as it is where no services of documents are configured, and where there are some."""

from collections import Counter
from collections.abc import Sequence

from polyagent.adapters.openai.ranking.embeddings import NoEmbeddings
from polyagent.adapters.openai.ranking.reranker import NoReranker
from polyagent.domain.documents.embedding import Recipe, Side, Vector
from polyagent.domain.errors import PolyAgentError
from polyagent.ports.documents.retrieval import Retrieval
from polyagent.usecases.documents.passage_search import PassageSearch
from tests.model_service.meanings import vector_of


def by_words(retrieval: Retrieval) -> PassageSearch:
    return PassageSearch(retrieval, NoEmbeddings(), NoReranker())


class Meaning:
    """Embeds in this process; `texts` counts what it was asked, and while it is `away` it raises that."""

    def __init__(self, model: str = "meanings", *, width: int = 32) -> None:
        self.recipe = Recipe(model=model)
        self.width = width
        self.away: PolyAgentError | None = None
        self.texts: Counter[str] = Counter()

    def wanted(self) -> Recipe | None:
        return self.recipe

    async def embed(self, recipe: Recipe, texts: Sequence[str], side: Side) -> Sequence[Vector]:
        if self.away is not None:
            raise self.away
        self.texts.update(texts)
        return [vector_of(text, width=self.width, model=recipe.model) for text in texts]
