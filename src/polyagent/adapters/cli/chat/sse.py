"""Reading server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec


def events(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the JSON object of each event; one that broke off is none."""
    data: list[bytes] = []
    for line in lines(chunks):
        if line.startswith(b"data:"):
            data.append(line.removeprefix(b"data:").removeprefix(b" "))
        elif not line and data:
            yield msgspec.json.decode(b"\n".join(data), type=dict[str, Any])
            data = []


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    r"""Yield whole lines without their ends, which are \n or \r\n.

    On bytes: a text's own splitter would also break JSON at U+2028.
    """
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r")
