"""Requests to addresses that a user, a document or a model supplied."""

import re
from collections.abc import Mapping
from typing import Annotated

import msgspec

from polyagent.domain.errors import Fault, Invalid

MAX_REDIRECTS = 3

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\uffff]*")
_RESERVED = re.compile(
    "host|content-length|transfer-encoding|accept-encoding|connection|keep-alive|te|trailer"
    "|upgrade|expect|user-agent|proxy-.*",
    re.IGNORECASE,
)


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `max_bytes` is for the body of the answer, `timeout_s` for all of it.

    `redirects`: how many to follow, at most `MAX_REDIRECTS`; with 0 a redirect is the answer.
    `headers` go to the first origin only.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes | None = None
    max_bytes: int
    timeout_s: float
    redirects: Annotated[int, msgspec.Meta(ge=0, le=MAX_REDIRECTS)] = 0


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, whatever its status. Names of `headers` are in lower case; `url` is where it came from."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes


def require_headers(headers: Mapping[str, str]) -> None:
    """Raise `Invalid` for headers that are none, or are not the caller's to set; it points at `#/headers`."""
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or _RESERVED.fullmatch(name) or not _VALUE.fullmatch(value):
            detail = "A request to another server cannot have such a header."
            raise Invalid(detail, faults=(Fault("#/headers", detail),))
