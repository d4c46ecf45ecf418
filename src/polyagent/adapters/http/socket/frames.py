"""What clients and the server say over a socket, one JSON object a frame."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args
from uuid import UUID

import msgspec
from litestar.exceptions import ImproperlyConfiguredException

from polyagent.adapters.http.call import decoded
from polyagent.adapters.http.errors import public
from polyagent.domain.account import Permission
from polyagent.domain.chat import Ask
from polyagent.domain.errors import Invalid, PolyAgentError
from polyagent.domain.event import Event

FrameId = Annotated[str, msgspec.Meta(max_length=200)] | int | None
"""The client's own name for a frame."""

NO_CURSOR = msgspec.Raw(b"null")
Cursor = Annotated[
    msgspec.Raw,
    msgspec.Meta(
        description="The `id` of the last event that you know.",
        extra_json_schema={
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": "^[0-9]{1,18}$"},
                {"type": "null"},
            ]
        },
    ),
]


class Frame(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True
):
    id: FrameId = None


class Auth(Frame, frozen=True, tag="auth"):
    token: str


class Chat(Ask, frozen=True, kw_only=True, tag_field="type", tag="chat"):
    id: FrameId = None


class Watch(Frame, frozen=True, kw_only=True, tag="watch"):
    run_id: UUID
    after: Cursor = msgspec.field(default_factory=lambda: NO_CURSOR)

    @property
    def cursor(self) -> str | None:
        """`after` as text, to be judged as the HTTP routes judge theirs: it may have 400 digits."""
        text = bytes(self.after).decode()
        return None if text == "null" else text.strip('"')


class Unwatch(Frame, frozen=True, tag="unwatch"):
    run_id: UUID


class Cancel(Frame, frozen=True, tag="cancel"):
    run_id: UUID


class Approve(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="approve"):
    """Of a later version, whatever it says."""

    id: FrameId = None


class Ping(Frame, frozen=True, tag="ping"):
    pass


ClientFrame = Auth | Chat | Watch | Unwatch | Cancel | Approve | Ping

TO_OPEN: Permission = "chat"
"""What it takes to have a socket at all, `auth` frames included."""
PERMISSIONS: Mapping[type[Any], Permission] = {
    Auth: "public",
    Chat: "chat",
    Watch: "chat",
    Unwatch: "chat",
    Cancel: "chat",
    Approve: "chat",
    Ping: "public",
}


def require_permissions(kinds: Any = ClientFrame) -> None:
    """Refuse to start with a frame that does not say who may send it."""
    for kind in get_args(kinds):
        if PERMISSIONS.get(kind) not in get_args(Permission):
            raise ImproperlyConfiguredException(f"The frame {kind.__name__} has no permission.")


_encode = msgspec.json.Encoder().encode


class _Named(msgspec.Struct):
    id: FrameId = None


class _Typed(msgspec.Struct):
    type: str = ""


class Reply(msgspec.Struct, omit_defaults=True):
    reply_to: FrameId = None


class Ok(Reply, tag_field="type", tag="ok"):
    pass


class Error(Reply, kw_only=True, tag_field="type", tag="error"):
    """`code` is one of `/problems/{code}`."""

    code: str
    detail: str
    retryable: bool


class Pong(msgspec.Struct, tag_field="type", tag="pong"):
    pass


PONG = _encode(Pong())


def read(text: bytes | None) -> ClientFrame:
    """Raises `Invalid`; for None, which stands for a binary frame, too."""
    if text is None:
        raise Invalid("Frames are text: this one is binary.")
    frame: ClientFrame = decoded(text, ClientFrame)
    return frame


def name_of(text: bytes) -> FrameId:
    """Return the name of a frame that may be anything at all."""
    try:
        return msgspec.json.decode(text, type=_Named).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def kind_of(text: bytes) -> str:
    """Return the type of a frame that was read already."""
    return msgspec.json.decode(text, type=_Typed).type


def ok(reply_to: FrameId) -> bytes:
    return _encode(Ok(reply_to=reply_to))


def error(of: PolyAgentError, reply_to: FrameId = None) -> bytes:
    _, code, detail = public(of)
    return _encode(Error(code=code, detail=detail, retryable=of.retryable, reply_to=reply_to))


def event(of: Event, reply_to: FrameId = None) -> bytes:
    wire = of.wire
    if reply_to is None:
        return wire
    return wire[:-1] + b"," + _encode(Reply(reply_to=reply_to))[1:]
