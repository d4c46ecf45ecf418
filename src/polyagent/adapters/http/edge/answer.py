"""The answer's way out."""

import asyncio
from collections.abc import Mapping

from litestar.types import HTTPScope, Message, Send

from polyagent.adapters.http.edge.intake import Intake
from polyagent.adapters.http.edge.origins import Headers
from polyagent.adapters.http.rates import rate_headers

# Nothing of ours is a page, but for those that bring a policy of their own
CSP = (
    b"content-security-policy",
    b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; sandbox",
)
STANDARD: Headers = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
ALONE: Headers = ((b"cache-control", b"no-store"), CSP, *STANDARD)
"""Of an answer that no `Answer` sends: the one to a request that would open a socket."""
FOR_PAGES: Headers = (
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


class Answer:
    """Stands in the place of an ASGI `send`: adds what every answer has, and notes its status.

    `methods` are those of each route, by its template; `also` are more headers.
    """

    def __init__(
        self,
        scope: HTTPScope,
        send: Send,
        intake: Intake,
        *,
        write_timeout_s: float,
        methods: Mapping[str, str],
        also: Headers = (),
    ) -> None:
        self.status = 0
        self.also = also
        self._scope = scope
        self._send = send
        self._intake = intake
        self._write_timeout_s = write_timeout_s
        self._methods = methods

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._headers(list(message["headers"]))
            if self.status >= 400:
                await self._intake.discard()
        elif message["type"] == "http.response.body" and self._scope["state"]["is_head"]:
            message["body"] = b""
        async with asyncio.timeout(self._write_timeout_s):
            await self._send(message)

    def _headers(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        named = dict(given)
        headers = given
        if b"allow" in named:
            headers = [(name, value) for name, value in given if name != b"allow"]
            headers.append((b"allow", self._allow(named[b"allow"])))
        if b"cache-control" not in named:
            headers.append((b"cache-control", b"no-store"))
        if b"content-security-policy" not in named:
            headers.append(CSP)
        if named.get(b"content-type", b"").startswith(b"text/html"):
            headers += FOR_PAGES
        headers += STANDARD
        headers += self.also
        if (standing := self._scope["state"].get("standing")) is not None:
            headers += rate_headers(standing)
        headers.append((b"x-request-id", self._scope["state"]["request_id"].encode()))
        return headers

    def _allow(self, given: bytes) -> bytes:
        """The framework does not know that HEAD is answered, nor, to OPTIONS, all handlers of a path."""
        template = self._scope.get("path_template", "")
        methods = set(self._methods.get(template, given.decode()).split(", "))
        if "GET" in methods:
            methods.add("HEAD")
        return ", ".join(sorted(methods)).encode()
