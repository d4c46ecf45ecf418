"""Relevance as a service judges it. The protocol is Cohere's, which others speak too.

https://docs.cohere.com/reference/rerank https://jina.ai/reranker/
"""

import math
from collections.abc import Sequence

import msgspec

from polyagent.adapters.openai.ranking.asking import Asking, senseless
from polyagent.domain.errors import ModelServiceMissing
from polyagent.settings import RerankService


class _Result(msgspec.Struct):
    index: int
    relevance_score: float


class _Answer(msgspec.Struct):
    results: list[_Result]


class ServiceReranker:
    def __init__(self, settings: RerankService, asking: Asking) -> None:
        self._settings = settings
        self._asking = asking

    def most(self) -> int:
        return self._settings.most

    async def rank(self, query: str, texts: Sequence[str]) -> Sequence[tuple[int, float]]:
        body = {
            "model": self._settings.model,
            "query": query,
            "documents": texts,
            "top_n": len(texts),
        }
        post, timeout_s = self._asking.wire.rerank, self._settings.timeout_s
        answer = await self._asking.ask(post, body, _Answer, timeout_s=timeout_s)
        ranked = [(result.index, result.relevance_score) for result in answer.results]
        places = [place for place, _ in ranked]
        if not set(places) <= set(range(len(texts))) or len(set(places)) < len(places):
            raise senseless()
        if not all(math.isfinite(score) for _, score in ranked):
            raise senseless()
        return sorted(ranked, key=lambda pair: -pair[1])


class NoReranker:
    def most(self) -> int:
        return 0

    async def rank(self, query: str, texts: Sequence[str]) -> Sequence[tuple[int, float]]:
        raise ModelServiceMissing("No reranking service is configured: set documents.rerank.")
