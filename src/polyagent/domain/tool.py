"""Tools, the calls that a model asks for, and what came of them."""

import json
import math
from collections.abc import Iterable
from typing import Any, Literal, NoReturn
from uuid import UUID

import msgspec

Effect = Literal["read", "write", "once"]
CallState = Literal["pending", "started", "done", "failed", "denied", "in_doubt", "cancelled"]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """`parameters` is the JSON Schema of the arguments, always of an object."""

    name: str
    description: str
    parameters: dict[str, Any]
    category: str = "general"
    effect: Effect = "once"
    source: str = "builtin"
    available: bool = True
    unavailable_reason: str | None = None


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call as clients see it, and as the model is told of it again.

    `id` is ours and unique in the run; `arguments` is the object, or the raw text if it is none.
    """

    id: str
    name: str
    arguments: dict[str, Any] | str
    effect: Effect = "once"
    state: CallState = "pending"
    result: Any = None
    error: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state in ("pending", "started")


class ToolResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a call gave: JSON values that PostgreSQL can store, or an error meant for the model."""

    state: Literal["done", "failed", "denied", "in_doubt", "cancelled"]
    result: Any = None
    error: str | None = None


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a web search found: text of strangers."""

    title: str
    url: str
    snippet: str


class CallContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool may know of its call. The same `idempotency_key` means the same call again.

    `document_ids` and `collection` are what the agent's documents are narrowed to.
    """

    workspace_id: UUID
    user_id: UUID
    run_id: UUID | None
    idempotency_key: str
    attempt: int = 1
    document_ids: tuple[UUID, ...] = ()
    collection: str | None = None


class ExecuteTool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    arguments: dict[str, Any] = msgspec.field(default_factory=dict)


class Executed(msgspec.Struct, frozen=True, kw_only=True):
    state: Literal["done", "failed"]
    result: Any = None
    error: str | None = None
    duration_ms: float


MAX_DEPTH = 64

_FENCE = "```"


def arguments_of(text: str) -> dict[str, Any] | str:
    """Return the object that a model wrote as a call's arguments, or the text if it is none.

    Nothing is an empty object; a byte order mark, a Markdown fence and a second layer of JSON are
    taken off, since models put them there. Nesting over `MAX_DEPTH` and numbers beyond a double are
    no arguments: they cannot be stored and told as they stand.
    """
    value: Any = text.strip().removeprefix("\ufeff").strip()
    value = _unfenced(value)
    for _ in range(3):
        if value in ("", "null"):
            return {}
        try:
            value = json.loads(value, parse_constant=_refuse, parse_float=_finite)
        except (ValueError, RecursionError):
            return text
        if isinstance(value, dict):
            return value if _is_shallow(value) else text
        if value is None:
            return {}
        if not isinstance(value, str):
            return text
    return text


def _unfenced(text: str) -> str:
    if len(text) < 2 * len(_FENCE) or not (text.startswith(_FENCE) and text.endswith(_FENCE)):
        return text
    return text.removeprefix(_FENCE).removesuffix(_FENCE).removeprefix("json").strip()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refuse(digits)


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for each in level for item in _items(each)]
        if not level:
            return True
    return False


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
