"""Sessions, messages and their parts, and what a client asks for."""

import binascii
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from polyagent.domain.agent import (
    AgentType,
    BuiltinType,
    Metadata,
    ModelSettings,
    Name,
    Text,
    ToolNames,
)
from polyagent.domain.errors import AgentGone, NotFound
from polyagent.domain.response_format import ResponseFormat
from polyagent.domain.tool import ToolCall

Content = Annotated[str, msgspec.Meta(min_length=1, max_length=2_000_000)]
EndUser = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Title = Annotated[str, msgspec.Meta(max_length=200)]
MessageRole = Literal["user", "assistant", "tool", "system"]
SessionStatus = Literal["idle", "running", "waiting"]
Policy = Literal["enqueue", "reject", "interrupt", "steer"]

TITLE_WORDS = 8

_IMAGE_TYPE = re.compile(r"image/[a-z0-9.+-]{1,100}", re.IGNORECASE)


class TextPart(
    msgspec.Struct, frozen=True, tag="text", tag_field="type", forbid_unknown_fields=True
):
    """Without a limit: what a model wrote is read back as one, whatever its length."""

    text: str


class ImagePart(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    tag="image",
    tag_field="type",
    forbid_unknown_fields=True,
):
    """Exactly one of `url`, `data` (base64) and `document_id`."""

    url: str | None = None
    data: str | None = None
    document_id: UUID | None = None
    media_type: str | None = None

    def __post_init__(self) -> None:
        if sum(x is not None for x in (self.url, self.data, self.document_id)) != 1:
            raise ValueError("an image has exactly one of url, data and document_id")

    def require_sound(self) -> None:
        """Raise `ValueError` for what no model service would take, in this request and all later ones."""
        if self.media_type is not None and not _IMAGE_TYPE.fullmatch(self.media_type):
            raise ValueError("media_type is none of an image: image/png is one")
        if self.data is not None and not _is_base64(self.data):
            raise ValueError("data is not base64, or is empty; it has no prefix and no line ends")


class FilePart(
    msgspec.Struct, frozen=True, tag="file", tag_field="type", forbid_unknown_fields=True
):
    document_id: UUID


Part = TextPart | ImagePart | FilePart
Parts = Annotated[tuple[Part, ...], msgspec.Meta(min_length=1, max_length=100)]


def _is_base64(text: str) -> bool:
    try:
        return bool(binascii.a2b_base64(text, strict_mode=True))
    except ValueError:
        return False


def any_elsewhere(parts: Iterable[Part]) -> bool:
    """Say whether an image among them has to be fetched."""
    return any(isinstance(part, ImagePart) and part.url is not None for part in parts)


def text_of(parts: tuple[Part, ...]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPart))


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """`start` and `end` count characters of the document's extracted text."""

    document_id: UUID
    filename: str
    chunk_id: UUID
    page: int | None = None
    start: int
    end: int
    quote: str
    verified: bool


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a session, or of a run that has none. `content` is the text of `parts`."""

    id: UUID
    session_id: UUID | None
    run_id: UUID
    role: MessageRole
    content: str
    parts: tuple[Part, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    citations: tuple[Citation, ...] = ()
    incomplete: bool = False
    created_at: datetime


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """`version` counts what its owner changes (title, metadata), not what is said in it."""

    id: UUID
    workspace_id: UUID
    user_id: UUID
    end_user: str | None = None
    agent_id: UUID | None = None
    title: str | None = None
    status: SessionStatus = "idle"
    message_count: int = 0
    metadata: Metadata = msgspec.field(default_factory=dict)
    version: int = 1
    created_at: datetime
    updated_at: datetime


def no_agent(
    session: Session | None, named: UUID | str | None, agent_type: AgentType | None
) -> NotFound | AgentGone:
    """Return what to raise where no agent can answer: the named one, a built-in one, or the session's."""
    if named is not None:
        return NotFound(f"There is no agent {named}.")
    if agent_type is None and session is not None and session.agent_id is not None:
        return AgentGone()
    return NotFound(f"There is no built-in agent of the type {agent_type or 'general'}.")


class PatchSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A merge patch: what is UNSET stays, None clears."""

    title: Title | msgspec.UnsetType | None = msgspec.UNSET
    metadata: Metadata | msgspec.UnsetType | None = msgspec.UNSET


class ForkSession(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`message_id` is the last message that the new session begins with."""

    message_id: UUID


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client asks: the body of POST /chat, /chat/stream and /runs."""

    message: Content | Parts
    session_id: UUID | None = None
    agent_id: UUID | None = None
    agent_type: BuiltinType | None = None
    model: Name | None = None
    instructions: Text | None = None
    model_settings: ModelSettings = ModelSettings()
    tools: ToolNames | None = None
    stream: bool | None = None
    background: bool = False
    priority: Annotated[int, msgspec.Meta(ge=0, le=9)] = 5
    policy: Policy = "enqueue"
    document_ids: Annotated[tuple[UUID, ...], msgspec.Meta(max_length=1000)] = ()
    response_format: ResponseFormat | None = None
    end_user: EndUser | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.agent_id is not None and self.agent_type is not None:
            raise ValueError("name an agent by agent_id or by agent_type, not by both")
        if self.stream and self.background:
            raise ValueError("a run in the background cannot be streamed: drop one of the two")
        if all(isinstance(p, TextPart) for p in self.parts) and not text_of(self.parts).strip():
            raise ValueError("message is empty: write at least one visible character")
        for part in self.parts:
            if isinstance(part, ImagePart):
                part.require_sound()

    @property
    def parts(self) -> tuple[Part, ...]:
        return (TextPart(self.message),) if isinstance(self.message, str) else self.message

    @property
    def title(self) -> str | None:
        """Return the first words of the message: what a new session is called."""
        words = text_of(self.parts).split(maxsplit=TITLE_WORDS)
        return " ".join(words[:TITLE_WORDS])[:80] or None
