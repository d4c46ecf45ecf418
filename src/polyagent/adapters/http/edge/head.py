"""What the edge reads of a request's head."""

from collections.abc import Mapping

from litestar.types import Scope

from polyagent.adapters.http.errors import HeadersTooLarge, UrlTooLong
from polyagent.domain.errors import Invalid

MAX_HEADERS_BYTES = 32 * 1024
MAX_URL_BYTES = 8 * 1024

WANTED = frozenset(
    {
        *(b"host", b"origin", b"x-request-id", b"x-forwarded-for", b"forwarded"),
        *(b"traceparent", b"tracestate", b"idempotency-key"),
        *(b"access-control-request-method", b"access-control-request-headers"),
    }
)

ONCE = frozenset({b"idempotency-key"})

Head = Mapping[bytes, bytes]


def read_head(scope: Scope) -> Head:
    """Return the headers of `WANTED` that it has; what is given several times is joined by commas.

    Raises `UrlTooLong`, `HeadersTooLarge`; `Invalid` where two would be two meanings.
    """
    if len(scope["raw_path"]) + len(scope["query_string"]) > MAX_URL_BYTES:
        raise UrlTooLong(f"The address is longer than {MAX_URL_BYTES} bytes.")
    found: dict[bytes, bytes] = {}
    size_bytes = 0
    for name, value in scope["headers"]:
        size_bytes += len(name) + len(value)
        if name in WANTED:
            if name in ONCE and name in found:
                raise Invalid(f"Send the header {name.decode()} once.")
            found[name] = found[name] + b", " + value if name in found else value
    if size_bytes > MAX_HEADERS_BYTES:
        raise HeadersTooLarge(f"The headers are larger than {MAX_HEADERS_BYTES} bytes.")
    return found
