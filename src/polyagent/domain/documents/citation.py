"""What an answer says it has from where: citations that a model writes, and whether they hold."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from uuid import UUID

import msgspec
from msgspec.structs import replace

from polyagent.domain.chat import Citation
from polyagent.domain.documents.quote import find
from polyagent.domain.documents.repetition import repeated
from polyagent.domain.documents.retrieval import Passage

NOBODY = UUID(int=0)
MAX_CITATIONS = 200
MAX_QUOTE_CHARACTERS = 4_000
MAX_TEXTS = 50
"""So many texts of one label are looked through: the passage, and what a conversation has quoted of it."""

HOW_TO_CITE = (
    "After each statement that you take from a passage, cite it by the passage's id with a short quotation,"
    ' copied word for word from that passage, in this form: [[id: "quotation"]]. The server checks it.'
)

# [[id: "quotation"]], or what models make of it
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}|[0-9a-f]{8}"
_HEAD = (
    '(?:[^\\[\\]\\n"\u201c\u00ab\u300c:|\u2020\uff1a\u3010\u3011\\\\]'
    f'|[":](?=\\s?(?:{_ID})\\b)|(?<=[0-9a-f]{{8}})")'
)
# another citation in the same brackets
_NEXT = rf"[;,](?=\s{{0,9}}(?:{_ID})\s{{0,9}}:\s{{0,9}}[\"'\u201c\u201e\u00ab\u300c\u300e\u2018])"
_MARKER = re.compile(
    rf"(?P<opens>\\?\[\\?\[|\u3010|\[|{_NEXT})(?P<head>{_HEAD}{{0,80}})"
    r"(?P<then>[:|\u2020\uff1a]|(?=[\"\u201c\u00ab\u300c])|\\?\]\\?\]|\u3011|\])\s{0,9}",
    re.IGNORECASE,
)
_ID_IN = re.compile(rf"(?<!\w)(?:{_ID})(?!\w)", re.IGNORECASE)
_KIND = re.compile(r"\s*(?:(?:id|passage|chunk)[\s=:#]+)?", re.IGNORECASE)
_NAME = re.compile(r"[\w.-]{1,64}")
_CLOSING = ("]", "\u3011")
_OPENING = "\"'\u201c\u201e\u00ab\u300c\u300e\u2018"
_AROUND = ' \n"\u201d\u00bb\u300d\u300f'
_QUOTED_END = re.compile("[\"'\u201d\u201c\u00bb\u300d\u300f\u2019]\\s{0,9}\\\\?(?:\\]|\u3011)")
_BARE_END = re.compile(r"\\?\]\\?\]|\u3011")
_SINGLE_END = re.compile(r"\]")
_LINE_END = re.compile(r"\n\s*\n|\Z")


class _Marker(msgspec.Struct, frozen=True):
    """What comes before a quotation: `ending` is what ends the quotation, None: there is none."""

    label: str
    start: int
    end: int
    ending: re.Pattern[str] | None


def citations_of(text: str, passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Return what the text cites, in its order, at most `MAX_CITATIONS`, each once.

    One is verified if the passage that it names has its words: `quote` is then cut out of the document's
    text from `start` to `end`. Of others it is what the model wrote, and the place is the whole passage;
    one that names no passage here has the document and chunk 00000000-0000-0000-0000-000000000000.
    Where nothing is cited, what the text repeats of a passage is.
    """
    known = _by_label(passages)
    cited = dict.fromkeys(_cited(text.replace('\\"', '"'), known))  # as JSON has it
    if not cited:
        found = (_verified(passage, place) for passage, place in repeated(text, passages))
        return tuple(dict.fromkeys(found))[:MAX_CITATIONS]
    return tuple(_checked(label, quote, known) for label, quote in [*cited][:MAX_CITATIONS])


def _by_label(passages: Sequence[Passage]) -> Mapping[str, Sequence[Passage]]:
    """Return what each label may mean: different texts, the last `MAX_TEXTS` of them."""
    known: defaultdict[str, dict[str, Passage]] = defaultdict(dict)
    for each in passages:
        for label in (each.label, each.chunk_id.hex):
            known[label].pop(each.text, None)
            known[label][each.text] = each
    return {label: [*texts.values()][-MAX_TEXTS:] for label, texts in known.items()}


def _cited(text: str, known: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield label and quotation of each marker. One that has no end goes on to the end of its paragraph."""
    after = 0
    for marker, following in pairwise([*_markers(text, known), None]):
        if marker is None or marker.start < after:
            continue
        quote, after = "", marker.end
        if marker.ending is not None:
            most = marker.end + MAX_QUOTE_CHARACTERS
            most = min(most, following.start) if following else most
            quote, after = _quotation(text, marker.end, most, marker.ending)
        yield marker.label, quote


def _markers(text: str, known: Mapping[str, object]) -> Iterator[_Marker]:
    """Yield what cites something: an id, in single brackets one that is known; or a name, if a quotation follows."""
    for found in _MARKER.finditer(text):
        ids = _ID_IN.findall(found["head"])
        label = _bare(ids[0]) if ids else _name(found)
        if label and (label in known or found["opens"] != "["):
            ending = _SINGLE_END if found["opens"] == "[" else _BARE_END
            is_over = found["then"].endswith(_CLOSING)
            yield _Marker(label, found.start(), found.end(), None if is_over else ending)


def _name(found: re.Match[str]) -> str | None:
    if found["opens"] == "[" or found["then"].endswith(_CLOSING):
        return None
    name = _bare(_KIND.sub("", found["head"], count=1).strip(" ,"))
    is_quoted = found.string.startswith(tuple(_OPENING), found.end())
    return name if _NAME.fullmatch(name) or (is_quoted and found["then"]) else None


def _bare(label: str) -> str:
    return label.lower().replace("-", "")


def _quotation(text: str, at: int, most: int, bare: re.Pattern[str]) -> tuple[str, int]:
    """Return the quotation that begins at a place, without its marks, and where its marker ends."""
    is_quoted = text[at : at + 1] and text[at] in _OPENING
    ends = (_QUOTED_END, bare) if is_quoted else (bare,)
    begin = at + 1 if is_quoted else at
    for end in ends:
        if (found := end.search(text, begin, most)) is not None:
            return text[begin : found.start()].strip(), found.end()
    found = _LINE_END.search(text, begin, most)
    after = found.start() if found else min(most, len(text))
    return text[begin:after].strip(_AROUND), after


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
