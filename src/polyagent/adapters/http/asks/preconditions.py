"""`ETag` and `If-Match`: no lost updates. https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1"""

import re
from collections.abc import Awaitable, Callable

from polyagent.domain.errors import Invalid, PreconditionFailed

_TAG = re.compile(r'\s*(?:(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"|([0-9]+))\s*(?:,|$)')
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def etag(version: int) -> str:
    return f'"{version}"'


async def expected_version(header: str | None, current: Callable[[], Awaitable[int]]) -> int | None:
    """Return the version that must be there still; None if any will do.

    Weak tags count as strong ones, since proxies weaken ours and a version is exact all the same; a
    bare number is understood too. Raises `PreconditionFailed`, and `Invalid` for what is no tag.
    """
    if header is None or header.strip() == "*":
        return None
    versions = {int(tag) for tag in _tags(header) if _VERSION.fullmatch(tag)}
    if len(versions) == 1:
        return versions.pop()
    now = await current()
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
