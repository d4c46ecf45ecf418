"""Requests to addresses that a user, a document or a model supplied."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

MAX_REDIRECTS = 3


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
