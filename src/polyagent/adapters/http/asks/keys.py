"""`Idempotency-Key`: the name under which a client asks for one thing, however often it must ask.

https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07
"""

import hashlib
import re
from typing import Annotated, Any

import msgspec
from litestar.params import HeaderParameter

from polyagent.domain.errors import Invalid
from polyagent.domain.run import IdempotencyKey

Key = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="The same key and body again are the same request, for 24 hours.",
    ),
]

_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')


def idempotency_key(
    header: str | None, *, route: str, asked: Any, end_user: str | None
) -> IdempotencyKey | None:
    """Read the key, bare or as a structured string; `asked` is all that the request says.

    Raises `Invalid`.
    """
    if header is None:
        return None
    key = header.strip()
    if quoted := _QUOTED.fullmatch(key):
        key = re.sub(r"\\(.)", r"\1", quoted.group(1))
    if not _VISIBLE.fullmatch(key):
        raise Invalid("Idempotency-Key takes 1 to 255 visible ASCII characters.")
    body = msgspec.json.encode(asked, order="deterministic")
    return IdempotencyKey(
        key=key, route=route, body_hash=hashlib.sha256(body).digest(), end_user=end_user
    )
