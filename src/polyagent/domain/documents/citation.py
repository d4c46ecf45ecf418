"""What an answer says it has from where: citations that a model writes, and whether they hold."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from msgspec.structs import replace

from polyagent.domain.chat import Citation
from polyagent.domain.documents.quote import find
from polyagent.domain.documents.repetition import repeated
from polyagent.domain.documents.retrieval import Passage

NOBODY = UUID(int=0)
MAX_CITATIONS = 200
MAX_QUOTE_CHARACTERS = 4_000

HOW_TO_CITE = (
    "After each statement that you take from a passage, cite it by the passage's id with a short quotation,"
    ' copied word for word from that passage, in this form: [[id: "quotation"]]. The server checks it.'
)

# [[id: "quotation"]], or what models make of it
_MARKER = re.compile(
    r"(?:\[\[|\u3010)\s{0,9}(?:(?:id|passage|chunk)[\s=:#]{1,3})?(?P<label>[\w.-]{1,64})\s{0,9}"
    r"(?P<then>[:|\u2020\uff1a]|,?(?=\s?[\"\u201c\u00ab\u300c])|\]\]|\u3011)\s{0,9}"
)
_OPENING = "\"'\u201c\u201e\u00ab\u300c\u300e\u2018"
_QUOTED_END = re.compile("[\"'\u201d\u201c\u00bb\u300d\u300f\u2019]\\s{0,9}(?:\\]|\u3011)")
_BARE_END = re.compile("\\]\\]|\u3011")
_LINE_END = re.compile(r"\n\s*\n|\Z")
_LABEL = re.compile(r"[0-9a-f]{8}|[0-9a-f]{32}")


def citations_of(text: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Return what the text cites, in its order, at most `MAX_CITATIONS`, each once.

    One is verified if the passage that it names has its words: `quote` is then cut out of the document's
    text from `start` to `end`. Of others it is what the model wrote, and the place is the whole passage;
    one that names no passage here has the document and chunk 00000000-0000-0000-0000-000000000000.
    Where nothing is cited, what the text repeats of a passage is.
    """
    cited = dict.fromkeys(_cited(text.replace('\\"', '"')))  # as JSON has it
    if not cited:
        found = (_verified(passage, place) for passage, place in repeated(text, passages))
        return tuple(dict.fromkeys(found))[:MAX_CITATIONS]
    known: defaultdict[str, list[Passage]] = defaultdict(list)
    for each in passages:
        known[each.label].append(each)
        known[each.chunk_id.hex].append(each)
    return tuple(_checked(label, quote, known) for label, quote in [*cited][:MAX_CITATIONS])


def _cited(text: str) -> Iterator[tuple[str, str]]:
    """Yield label and quotation of each marker. One that has no end goes on to the end of its paragraph."""
    at = 0
    while (found := _MARKER.search(text, at)) is not None:
        at = found.end()
        label = found["label"].lower().replace("-", "")
        if found["then"] in ("]]", "\u3011"):
            if _LABEL.fullmatch(label):
                yield label, ""
            continue
        quote, at = _quotation(text, at)
        yield label, quote


def _quotation(text: str, at: int) -> tuple[str, int]:
    """Return the quotation that begins at a place, without its marks, and where its marker ends."""
    following = _MARKER.search(text, at, at + MAX_QUOTE_CHARACTERS)
    most = following.start() if following else at + MAX_QUOTE_CHARACTERS
    is_quoted = text[at : at + 1] and text[at] in _OPENING
    ends = (_QUOTED_END, _BARE_END) if is_quoted else (_BARE_END,)
    begin = at + 1 if is_quoted else at
    for end in ends:
        if (found := end.search(text, begin, most)) is not None:
            return text[begin : found.start()].strip(), found.end()
    found = _LINE_END.search(text, begin, most)
    after = found.start() if found else min(most, len(text))
    return text[begin:after].strip(), after


def _checked(label: str, quote: str, known: Mapping[str, Sequence[Passage]]) -> Citation:
    named = known.get(label)
    if not named:
        return Citation(
            document_id=NOBODY,
            filename=label,
            chunk_id=NOBODY,
            start=0,
            end=0,
            quote=quote,
            verified=False,
        )
    places = ((each, find(quote, each.text)) for each in named)
    passage, place = next((found for found in places if found[1]), (named[-1], None))
    return _verified(passage, place) if place else _unverified(passage, quote)


def _verified(passage: Passage, place: tuple[int, int]) -> Citation:
    start, end = place
    return Citation(
        document_id=passage.document_id,
        filename=passage.filename,
        chunk_id=passage.chunk_id,
        page=passage.page,
        start=passage.start + start,
        end=passage.start + end,
        quote=passage.text[start:end],
        verified=True,
    )


def _unverified(passage: Passage, quote: str) -> Citation:
    whole = _verified(passage, (0, len(passage.text)))
    return replace(whole, quote=quote, verified=False)
