"""What an answer has word for word from a passage, though it does not say so: many models do not."""

import re
from collections.abc import Iterator, Sequence

from polyagent.domain.documents.quote import find
from polyagent.domain.documents.retrieval import Passage
from polyagent.domain.documents.terms import terms_of

LEAST_TERMS = 5
MOST_SENTENCES = 200
MOST_PASSAGES = 64

_SENTENCE = re.compile(
    "[^.!?\u2026\u3002\uff01\uff1f\n]++(?:[.!?\u2026](?=\\S)[^.!?\u2026\u3002\uff01\uff1f\n]*+)*+"
)
_CLAUSE = re.compile('[^,;:"()\u201c\u201d\u00ab\u00bb\u300c\u300d\uff0c\uff1b\uff1a]++')

_MARKUP = " *_#>|`~-\u2022"

Known = Sequence[tuple[Passage, frozenset[str]]]


def repeated(text: str, passages: Sequence[Passage]) -> Iterator[tuple[Passage, tuple[int, int]]]:
    """Yield the passages whose words a text repeats, and where in the passage they are.

    Only whole sentences count, or clauses of them, of at least `LEAST_TERMS` terms, and of the passages the
    last ones.
    """
    known = [(passage, frozenset(terms_of(passage.text))) for passage in passages[-MOST_PASSAGES:]]
    for sentence in _SENTENCE.findall(text)[:MOST_SENTENCES]:
        if (found := _found(sentence, known)) is not None:
            yield found
        else:
            clauses = (_found(clause, known) for clause in _CLAUSE.findall(sentence))
            yield from filter(None, clauses)


def _found(said: str, known: Known) -> tuple[Passage, tuple[int, int]] | None:
    words = said.strip(_MARKUP)
    terms = terms_of(words)
    if len(terms) < LEAST_TERMS:
        return None
    for passage, has in known:  # comparing letters is slow, and mostly in vain
        if has.issuperset(terms) and (place := find(words, passage.text)) is not None:
            return passage, place
    return None
