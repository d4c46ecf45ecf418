"""Which sites' pages may call, and what browsers are told about it. No cookies, so no credentials.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from polyagent.adapters.http.edge.head import Head
from polyagent.adapters.http.rates import SAFE
from polyagent.domain.errors import Forbidden

EXPOSED = (
    b"Location, Content-Location, ETag, Link, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID, "
    b"Idempotent-Replayed"
)
METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
REMEMBERED_S = b"600"

_VARY = (b"vary", b"Origin")
_NAMES = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")

Headers = Sequence[tuple[bytes, bytes]]


class Origins:
    """`listed` are origins as browsers write them."""

    def __init__(self, listed: Sequence[str]) -> None:
        self._listed = frozenset(origin.lower().encode() for origin in listed)
        self._shared = lru_cache(maxsize=64)(self._headers)

    def check(self, method: str, head: Head) -> None:
        """Raises `Forbidden` where a page of another site asks for a change.

        https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
        """
        if method not in SAFE and not self.allows(head):
            raise Forbidden("Pages of this origin may not call: server.cors_origins.")

    def allows(self, head: Head) -> bool:
        """Say whether no browser sent it, or one that shows a page of ours or of the listed origins."""
        origin = head.get(b"origin")
        if origin is None or origin.lower() in self._listed:
            return True
        scheme, _, authority = origin.lower().partition(b"://")
        return scheme in (b"http", b"https") and authority == head.get(b"host", b"").lower()

    def preflight(self, method: str, head: Head) -> Headers | None:
        """Return the headers of the answer, where a browser asks whether its page may ask."""
        if method != "OPTIONS" or b"access-control-request-method" not in head:
            return None
        if head.get(b"origin", b"").lower() not in self._listed:
            return None
        asked = head.get(b"access-control-request-headers", b"")
        names = asked if _NAMES.fullmatch(asked) else b"Authorization, Content-Type"
        return (
            (b"access-control-allow-methods", METHODS),
            (b"access-control-allow-headers", names),
            (b"access-control-max-age", REMEMBERED_S),
            (b"vary", b"Access-Control-Request-Headers"),
        )

    def headers(self, head: Head) -> Headers:
        """Return what every answer has: listed origins may read it."""
        return self._shared(head.get(b"origin")) if self._listed else ()

    def _headers(self, origin: bytes | None) -> Headers:
        if origin is None or origin.lower() not in self._listed:
            return (_VARY,)
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", EXPOSED),
            _VARY,
        )
