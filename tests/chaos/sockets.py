"""A reader's WebSocket."""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

RESTARTS = 1012
OPEN_S = 40.0


class Refused(Exception):
    """An error frame."""

    def __init__(self, frame: dict[str, Any]) -> None:
        super().__init__(frame["detail"])
        self.code = str(frame["code"])
        self.retryable = bool(frame["retryable"])


class SocketEnded(Exception):
    """The connection ended, or was never made; `hinted` when the server said that it restarts."""

    def __init__(self, why: str, *, opened: bool, hinted: bool = False) -> None:
        super().__init__(why)
        self.opened = opened
        self.hinted = hinted


async def watched(
    gateway: str, token: str, run_id: str, after: int
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the events of a run behind `after` for ever. Raises `Refused`, `SocketEnded`."""
    opened = False
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with connect(
            f"{gateway.replace('http', 'ws', 1)}/ws",
            additional_headers=headers,
            open_timeout=OPEN_S,
            ping_interval=None,
            proxy=None,
        ) as socket:
            opened = True
            watch = {"type": "watch", "run_id": run_id, "after": after}
            await socket.send(msgspec.json.encode(watch).decode())
            async for text in socket:
                yield _event(msgspec.json.decode(text))
    except ConnectionClosed as error:
        hinted = error.rcvd is not None and error.rcvd.code == RESTARTS
        raise SocketEnded(str(error), opened=opened, hinted=hinted) from error
    except (OSError, TimeoutError, WebSocketException) as error:
        raise SocketEnded(f"{type(error).__name__}: {error}", opened=opened) from error
    raise SocketEnded("it was closed normally", opened=opened)


def _event(frame: dict[str, Any]) -> dict[str, Any]:
    if frame["type"] == "error":
        raise Refused(frame)
    return frame
