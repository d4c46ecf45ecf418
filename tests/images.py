"""Small images of every format that is taken, and things that are none."""

import struct
import zlib


def _chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


PNG = b"".join(
    (
        b"\x89PNG\r\n\x1a\n",
        _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)),
        _chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")),
        _chunk(b"IEND", b""),
    )
)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"
GIF = b"GIF89a\x01\x00\x01\x00\x00\xff\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x00;"
WEBP = b"RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00/\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"

NO_IMAGES = {
    "text": b"hello",
    "html": b"<!doctype html><img src=x>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "bmp": b"BM" + bytes(60),
    "tiff": b"II*\0" + bytes(60),
    "avif": b"\0\0\0\x1cftypavif" + bytes(60),
    "pdf": b"%PDF-1.7\n",
    "riff but no webp": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "half a signature": b"\x89PNG",
    "a png of another kind": b"\x89PNG\r\n\x1a\n" + bytes(30),
    "one byte": b"\xff",
}


def png_of(size: int) -> bytes:
    """Return a PNG of about that many bytes, which do not compress."""
    noise = bytes((n * 7919 + n // 251) % 256 for n in range(1 << 16))
    pad = (noise * (size // len(noise) + 1))[: max(0, size - len(PNG) - 12)]
    return PNG[:-12] + _chunk(b"tEXt", pad) + PNG[-12:]
