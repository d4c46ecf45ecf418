"""Server-sent events as a browser parses them.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

from collections.abc import AsyncIterator
from typing import Any

import msgspec


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """`retry` is set, and no event, where the server asks the client back."""

    event: dict[str, Any] | None = None
    retry: int | None = None


async def frames_of(lines: AsyncIterator[str]) -> AsyncIterator[Frame]:
    """Yield whole frames; a frame that the connection cut off is dropped, as browsers do.

    Raises `ValueError` if the frame's id or type is not that of its event.
    """
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
        elif not line and fields:
            yield _frame(fields)
            fields = {}


def _frame(fields: dict[str, str]) -> Frame:
    if "data" not in fields:
        return Frame(retry=int(fields["retry"]))
    event = msgspec.json.decode(fields["data"])
    if (fields["id"], fields["event"]) != (str(event["id"]), event["type"]):
        raise ValueError(f"the frame {fields['id']} {fields['event']} carries {event}")
    return Frame(event=event)
