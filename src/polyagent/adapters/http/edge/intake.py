"""The request's way in: a body has its time, and what nobody reads is thrown away."""

import asyncio
from contextlib import suppress

from litestar.types import HTTPScope, Receive, ReceiveMessage

from polyagent.adapters.http.errors import TooSlow
from polyagent.domain.errors import Invalid

UPLOADS = "/api/v1/documents/upload"
FLOOR_BYTES_S = 8000.0  # as long as a file comes so fast, it may take its time
MAX_DISCARDED = 64 * 1024 * 1024


class Intake:
    """Stands in the place of an ASGI `receive`."""

    def __init__(self, scope: HTTPScope, receive: Receive, *, read_timeout_s: float) -> None:
        self._receive = receive
        self._read_timeout_s = read_timeout_s
        self._expects_consent = any(name == b"expect" for name, _ in scope["headers"])
        self._is_upload = scope["path"] == UPLOADS
        self._deadline: float | None = None
        self._is_complete = False

    async def __call__(self) -> ReceiveMessage:
        """Raises `TooSlow` once the body has taken too long, `Invalid` if it breaks off."""
        if self._is_complete:
            return await self._receive()  # waits for the client to leave
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._read_timeout_s
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise TooSlow(f"The body took longer than {self._read_timeout_s:g} s.") from error
        if message["type"] == "http.disconnect":
            raise Invalid("The connection broke off before the body ended.")
        if self._is_upload and message["type"] == "http.request":
            self._deadline += len(message["body"]) / FLOOR_BYTES_S
        self._is_complete = not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Read on to the body's end: a client that still sends would not see our answer.

        One that waits for our consent (`Expect: 100-continue`) sends nothing yet.
        """
        if self._expects_consent and self._deadline is None:
            return
        discarded = 0
        with suppress(TooSlow, Invalid):
            while not self._is_complete and discarded < MAX_DISCARDED:
                message = await self()
                discarded += len(message["body"]) if message["type"] == "http.request" else 0
