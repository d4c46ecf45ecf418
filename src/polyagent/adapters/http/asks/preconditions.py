"""`ETag` and `If-Match`: no lost updates. https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1"""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Protocol, TypeVar

from litestar import Response
from litestar.params import HeaderParameter

from polyagent.adapters.http.call import Call
from polyagent.domain.errors import Invalid, PreconditionFailed

IfMatch = Annotated[
    str | None,
    HeaderParameter(name="If-Match", description='`"<version>"`: refuse a lost update with 412.'),
]

_TAG = re.compile(r'\s*(?:(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"|([0-9]+))\s*(?:,|$)')
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


T = TypeVar("T", bound=Versioned)


def tagged(
    versioned: T, *, status_code: int = 200, headers: dict[str, str] | None = None
) -> Response[T]:
    tag = {"ETag": f'"{versioned.version}"'}
    return Response(versioned, status_code=status_code, headers={**tag, **(headers or {})})


async def expected_version(
    request: Call, header: str | None, current: Callable[[], Awaitable[Versioned]]
) -> int | None:
    """Return the version that must be there still; None if any will do.

    A header of several lines is all of them.

    Weak tags count as strong ones, since proxies weaken ours and a version is exact all the same; a
    bare number is understood too. Raises `PreconditionFailed`, and `Invalid` for what is no tag.
    """
    lines = request.headers.getall("if-match", [])
    header = ", ".join(lines) if len(lines) > 1 else header
    if header is None or header.strip() == "*":
        return None
    versions = {int(tag) for tag in _tags(header) if _VERSION.fullmatch(tag)}
    if len(versions) == 1:
        return versions.pop()
    now = (await current()).version
    if now in versions:
        return now
    raise PreconditionFailed(f"It is at version {now}, which If-Match does not name.")


def _tags(header: str) -> list[str]:
    tags: list[str] = []
    at = 0
    while at < len(header):
        match = _TAG.match(header, at)
        if match is None:
            raise Invalid('If-Match takes "<version>", a list of these, or *.')
        tags.append(match.group(1) if match.group(1) is not None else match.group(2))
        at = match.end()
    if not tags:
        raise Invalid('If-Match takes "<version>", a list of these, or *.')
    return tags
