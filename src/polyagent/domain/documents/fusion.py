"""Reciprocal rank fusion: what several rankings put high comes first, whatever their scores mean.

https://plg.uwaterloo.ca/~gvcormac/cormacksigir09-rrf.pdf
"""

from collections.abc import Sequence

from msgspec.structs import replace

from polyagent.domain.documents.retrieval import Passage

K = 60


def fused(*rankings: Sequence[Passage]) -> Sequence[Passage]:
    """Return the passages of all rankings, best first; of equal ones first what an earlier ranking has.

    The score is the sum of 1 / (60 + rank), ranks from 1.
    """
    found: dict[object, Passage] = {}
    for ranking in rankings:
        for rank, passage in enumerate(ranking, start=1):
            known = found.get(passage.chunk_id)
            score = (0.0 if known is None else known.score) + 1 / (K + rank)
            found[passage.chunk_id] = replace(passage, score=score)
    return sorted(found.values(), key=lambda passage: -passage.score)
