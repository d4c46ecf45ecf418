"""Forms with one file in them, read as they come. https://www.rfc-editor.org/rfc/rfc7578"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from polyagent.adapters.http.call import Call
from polyagent.adapters.http.errors import MediaTypeUnsupported
from polyagent.domain.documents.document import NewDocument
from polyagent.domain.errors import Fault, Invalid
from polyagent.domain.misfit import misfit

T = TypeVar("T")
Receive = Callable[[str, AsyncIterator[bytes]], Awaitable[T]]
Event: TypeAlias = MultipartSegment | bytearray | None

FIELDS = ("collection", "visibility", "metadata")
FIELD_BYTES = 64 * 1024
MAX_PARTS = 20


async def read_upload(request: Call, receive: Receive[T]) -> tuple[T, NewDocument]:
    """Hand the form's file to `receive` while it comes; return what that returns, and the fields.

    Raises `Invalid`, `MediaTypeUnsupported`, and what `receive` raises.
    """
    form = _Form(request, receive)
    try:
        return await form.read()
    except MultipartError as error:
        raise Invalid(f"The form cannot be read: {error.args[0]}.") from error


class _Form:
    def __init__(self, request: Call, receive: Receive[Any]) -> None:
        self._events = _events(request, _boundary(request))
        self._receive = receive
        self._received: list[Any] = []
        self._fields: dict[str, Any] = {}

    async def read(self) -> tuple[Any, NewDocument]:
        async for event in self._events:
            if isinstance(event, MultipartSegment):
                await self._part(event)
        if not self._received:
            raise _wrong("file", "The form needs one file, under the name `file`.")
        try:
            return self._received[0], msgspec.convert(self._fields, NewDocument)
        except msgspec.ValidationError as error:
            raise misfit(error) from error

    async def _part(self, part: MultipartSegment) -> None:
        if part.name == "file":
            if self._received or part.filename is None:
                raise _wrong("file", "The form takes exactly one file, under the name `file`.")
            self._received.append(await self._receive(part.filename, self._content()))
        elif part.name in FIELDS and part.name not in self._fields and part.filename is None:
            self._fields[part.name] = _value(part.name, await self._text())
        else:
            raise _wrong(part.name, f"The form takes one `file`, and {', '.join(FIELDS)} once.")

    async def _content(self) -> AsyncIterator[bytes]:
        async for event in self._events:
            if not isinstance(event, bytearray):
                return
            yield bytes(event)

    async def _text(self) -> bytes:
        text = b""
        async for piece in self._content():
            text += piece
            if len(text) > FIELD_BYTES:
                raise Invalid(f"A field of the form may have {FIELD_BYTES} bytes.")
        return text


async def _events(request: Call, boundary: str) -> AsyncIterator[Event]:
    with PushMultipartParser(boundary, max_segment_count=MAX_PARTS, strict=True) as parser:
        async for chunk in request.stream():
            for event in parser.parse(chunk):
                yield event
            if parser.closed:
                return


def _boundary(request: Call) -> str:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data":
        raise MediaTypeUnsupported("Send a form, as multipart/form-data.")
    if not options.get("boundary"):
        raise Invalid("The Content-Type says no boundary of the form's parts.")
    return str(options["boundary"])


def _value(name: str, text: bytes) -> Any:
    try:
        if name == "metadata":
            return msgspec.json.decode(text)
        value = text.decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong(
            name, f"`{name}` is no {'JSON' if name == 'metadata' else 'UTF-8'}."
        ) from error
    if "\x00" in value:
        raise _wrong(name, f"`{name}` has the character NUL in it: it cannot be stored.")
    return value


def _wrong(name: str, detail: str) -> Invalid:
    return Invalid(detail, faults=(Fault(f"#/{name}", detail),))
