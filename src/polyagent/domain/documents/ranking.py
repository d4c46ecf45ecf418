"""Okapi BM25: rare words count more, repeated ones less and less, and so do those of long chunks.

https://www.staff.city.ac.uk/~sbrp622/papers/foundations_bm25_review.pdf
"""

import math

K1 = 1.2
B = 0.4
"""Less than the usual 0.75: chunks are cut to one length, and what is shorter often says most in few words."""

COMMON = 0.1
"""A term of more than this part of the chunks is left out, unless it is among the rarest two of a query."""
LEAST_COMMON = 1000
"""A term of at most so many chunks is never left out: it costs nothing."""
RAREST = 2
MOST_TERMS = 32
MOST_POSTINGS = 100_000
"""Terms are taken from the rarest on while so many chunks have them, one term's added to another's.

A bound for questions of many common words. None of a hundred questions of five words to 310,000 chunks
reached it; a bound of 20,000 changed what 19 of them found first, for little time.
"""


def weight(chunks: int, having: int) -> float:
    """Return the inverse document frequency of a term that so many of all chunks have."""
    return math.log1p((chunks - having + 0.5) / (having + 0.5))


def score(idf: float, tf: int, length: int, mean_length: float) -> float:
    """Return what a term that a chunk of that length has `tf` times adds to its score."""
    return idf * tf * (K1 + 1) / (tf + K1 * (1 - B + B * length / mean_length))
