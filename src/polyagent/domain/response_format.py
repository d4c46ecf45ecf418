"""What an answer must look like, in OpenAI's shape.

https://platform.openai.com/docs/guides/structured-outputs
"""

from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import unquote

import msgspec

from polyagent.domain.errors import Fault, Invalid
from polyagent.domain.misfit import escaped

MAX_BYTES = 65_536
MAX_DEPTH = 48
MAX_PLACES = 5_000
SCHEMA_AT = "#/response_format/json_schema/schema"
DRAFTS = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
)

# with them a reference means another place than it says
_MOVES = frozenset({"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveRef"})

# at the root of a schema: what they hold is looked at only where a $ref leads to it
_SHELVES = frozenset({"$defs", "definitions"})


class PlainText(
    msgspec.Struct, frozen=True, tag="text", tag_field="type", forbid_unknown_fields=True
):
    """No form at all."""


class JsonObject(
    msgspec.Struct, frozen=True, tag="json_object", tag_field="type", forbid_unknown_fields=True
):
    """Any JSON object."""


class NamedSchema(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """`schema` is of the draft that its `$schema` names, one of `DRAFTS`, else of the newest."""

    name: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
    schema: dict[str, Any]
    strict: bool | None = None
    description: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None


class JsonSchema(
    msgspec.Struct, frozen=True, tag="json_schema", tag_field="type", forbid_unknown_fields=True
):
    json_schema: NamedSchema


ResponseFormat = PlainText | JsonObject | JsonSchema


class Extent(msgspec.Struct, frozen=True):
    """How much of a schema there is to look at: its objects and lists, a `$ref` written out at each use.

    A reference back into what holds it counts once, and makes the schema `recursive`.
    """

    places: int
    recursive: bool


def require_bounded(schema: dict[str, Any], at: str) -> None:
    """Raise `Invalid` for a schema that is too large, or refers to anything but itself.

    `at` is the pointer to it, for the faults.
    """
    if draft_of(schema) not in DRAFTS:
        raise refused(f"{at}/$schema", f"It is none of {', '.join(DRAFTS)}.")
    if len(msgspec.json.encode(schema)) > MAX_BYTES:
        raise refused(at, f"The schema is larger than {MAX_BYTES} bytes.")
    for pointer, depth, key, value in _members(schema, at, 1):
        if depth > MAX_DEPTH:
            raise refused(at, f"The schema is nested deeper than {MAX_DEPTH} levels.")
        if isinstance(value, str):
            _require_inside(pointer, key, value, is_root=depth == 1)
    if extent(schema).places > MAX_PLACES:
        raise refused(at, f"The schema has over {MAX_PLACES} places with each $ref written out.")


def draft_of(schema: dict[str, Any]) -> str:
    return str(schema.get("$schema", DRAFTS[0])).rstrip("#")


def refused(pointer: str, detail: str) -> Invalid:
    return Invalid(f"{detail} ({pointer})", faults=(Fault(pointer, detail),))


def _require_inside(pointer: str, key: str, value: str, *, is_root: bool) -> None:
    if key == "$ref" and not value.startswith("#"):
        raise refused(pointer, "A $ref leads to a place in the schema itself: #/$defs/name.")
    if key in _MOVES and not (key == "$id" and is_root):
        raise refused(pointer, f"{key} is not supported: give a place by its path, #/$defs/name.")


def _members(value: Any, at: str, depth: int) -> Iterator[tuple[str, int, str, Any]]:
    """Go over all members of all objects in `value`: pointer, depth, key, value."""
    items: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, inner in items:
        pointer = f"{at}/{escaped(str(key))}"
        yield pointer, depth, str(key), inner
        if depth <= MAX_DEPTH:
            yield from _members(inner, pointer, depth + 1)


def extent(schema: dict[str, Any]) -> Extent:
    return _Survey(schema).extent


class _Survey:
    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._known: dict[str, int] = {}
        self._recursive = False
        try:
            used = {key: value for key, value in schema.items() if key not in _SHELVES}
            places = self._count(used, frozenset({"#"}))
        except RecursionError:  # a chain of references
            places = MAX_PLACES + 1
        self.extent = Extent(places, self._recursive)

    def _count(self, value: Any, inside: frozenset[str]) -> int:
        if isinstance(value, list):
            return 1 + sum(self._count(each, inside) for each in value)
        if not isinstance(value, dict):
            return 0
        ref = value.get("$ref")
        behind = self._behind(ref, inside) if isinstance(ref, str) else 0
        return 1 + behind + sum(self._count(each, inside) for each in value.values())

    def _behind(self, ref: str, inside: frozenset[str]) -> int:
        if ref in inside:
            self._recursive = True
            return 1
        if ref not in self._known:
            self._known[ref] = self._count(_pointed_at(self._schema, ref), inside | {ref})
        return self._known[ref]


def _pointed_at(schema: Any, pointer: str) -> Any:
    """Return what is at `#/a/0`, None if nothing is. https://www.rfc-editor.org/rfc/rfc6901"""
    place = schema
    for step in unquote(pointer).split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict):
            place = place.get(key)
        elif isinstance(place, list) and key.isdecimal() and int(key) < len(place):
            place = place[int(key)]
        else:
            return None
    return place
