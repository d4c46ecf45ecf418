"""Images as they are sent to models: what is one, and how much of them a message may hold."""

import binascii

import msgspec

HEAD_BYTES = 16
FORMATS = "PNG, JPEG, GIF and WebP"


class ImageLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`count` and `total_bytes` are for one message, `fetch_s` for all that it gives by URL."""

    count: int
    bytes_each: int
    total_bytes: int
    fetch_s: float


def media_type(head: bytes) -> str | None:
    """Tell an image by its first `HEAD_BYTES`; None for what is none of `FORMATS`."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        return "image/png"
    if head.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "image/webp"
    return None


def head_of(base64: str) -> bytes:
    """Return the first `HEAD_BYTES` of what is known to be base64."""
    return binascii.a2b_base64(base64[: HEAD_BYTES * 2])[:HEAD_BYTES]


def size_of(base64: str) -> int:
    """Return how many bytes are behind a text that is known to be base64."""
    return len(base64) * 3 // 4 - base64[-2:].count("=")
