"""Pictures that go with an ask."""

import base64
from pathlib import Path
from typing import Any

import msgspec

from polyagent.adapters.cli.exits import Failed

# How files of the kinds that model services take begin.
BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


class Image(msgspec.Struct, frozen=True):
    name: str
    media_type: str
    content: bytes

    def part(self) -> dict[str, Any]:
        """Return it as a part of a message."""
        data = base64.b64encode(self.content).decode()
        return {"type": "image", "data": data, "media_type": self.media_type}


def read_image(path: Path) -> Image:
    """Raises `Failed` for what cannot be read and what is no picture."""
    try:
        content = path.expanduser().read_bytes()
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from error
    kinds = (kind for beginning, kind in BEGINNINGS.items() if content.startswith(beginning))
    kind = next(kinds, None)
    if kind is None:
        raise Failed(f"{path} is no picture: PNG, JPEG, GIF and WebP are.")
    return Image(path.name, kind, content)
