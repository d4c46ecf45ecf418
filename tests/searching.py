"""Searching as it is where no services of documents are configured."""

from polyagent.adapters.openai.ranking.embeddings import NoEmbeddings
from polyagent.adapters.openai.ranking.reranker import NoReranker
from polyagent.ports.retrieval import Retrieval
from polyagent.usecases.passage_search import PassageSearch


def by_words(retrieval: Retrieval) -> PassageSearch:
    return PassageSearch(retrieval, NoEmbeddings(), NoReranker())
