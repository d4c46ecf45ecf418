"""HTTP to one service: httpx's types over aiohttp's connections, with all that repeats made once.

The transport is called directly, since httpx's own client and pool cost several times as much a call.
"""

import ssl

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from polyagent.adapters.openai.address import Address
from polyagent.domain.errors import Invalid
from polyagent.settings import Ai

KEEP_ALIVE_S = 4.0  # many services close after five: a connection must not be used as it is closed
MAX_ERROR_BYTES = 65_536


class Wire:
    """No proxies from the environment, no cookies, no redirects, no compression."""

    def __init__(self, address: Address, settings: Ai) -> None:
        self._transport = _transport(address, settings)
        self._chat_url = address.url("/chat/completions")
        self._models_url = address.url("/models")
        self._embeddings_url = address.url("/embeddings")
        self._rerank_url = address.url("/rerank")
        self._key = _key(settings)
        self._headers = _headers(address, self._key)
        self._json = httpx.Headers({**self._headers, "content-type": "application/json"})
        connect_s = settings.connect_timeout_s
        self._extensions = {"timeout": {"connect": connect_s, "pool": connect_s}}

    async def chat(self, body: bytes, *, traceparent: str | None = None) -> httpx.Response:
        request = httpx.Request("POST", self._chat_url, headers=self._json, content=body)
        if traceparent is not None:
            request.headers["traceparent"] = traceparent
        return await self._send(request)

    async def embeddings(self, body: bytes) -> httpx.Response:
        request = httpx.Request("POST", self._embeddings_url, headers=self._json, content=body)
        return await self._send(request)

    async def rerank(self, body: bytes) -> httpx.Response:
        request = httpx.Request("POST", self._rerank_url, headers=self._json, content=body)
        return await self._send(request)

    async def answer_of(self, response: httpx.Response, max_bytes: int) -> bytes:
        """Return the body of an answer, less what is over `max_bytes`, and close it."""
        return await _read(response, max_bytes)

    async def models(self, max_bytes: int) -> tuple[int, bytes]:
        """Return the status and the body of the listing."""
        request = httpx.Request("GET", self._models_url, headers=self._headers)
        response = await self._send(request)
        return response.status_code, await _read(response, max_bytes)

    async def error_of(self, response: httpx.Response) -> bytes:
        """Return the body of an error answer, without our key should it repeat that, and close it."""
        body = await _read(response, MAX_ERROR_BYTES)
        return body.replace(self._key.encode(), b"[...]") if self._key else body

    def without_key(self, text: str) -> str:
        return text.replace(self._key, "[...]") if self._key else text

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        request.extensions = self._extensions
        return await self._transport.handle_async_request(request)


async def _read(response: httpx.Response, max_bytes: int) -> bytes:
    """Read a body, leaving out what is over `max_bytes`."""
    body = bytearray()
    try:
        async for piece in response.aiter_raw():
            body += piece
            if len(body) > max_bytes:
                break
    finally:
        await response.aclose()
    return bytes(body[:max_bytes])


def _transport(address: Address, settings: Ai) -> AiohttpTransport:
    trust = (
        _trust(settings.ca_file)
        if address.base.scheme == "https"
        else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    )
    return AiohttpTransport(
        verify=trust, proxy=_proxy(address, settings), client=lambda: _session(address, trust)
    )


def _session(address: Address, trust: ssl.SSLContext) -> aiohttp.ClientSession:
    connector: aiohttp.BaseConnector
    if address.socket:
        # llama.cpp's server closes after a stream without saying so
        connector = aiohttp.UnixConnector(address.socket, limit=0, force_close=True)
    else:
        connector = aiohttp.TCPConnector(limit=0, ssl=trust, keepalive_timeout=KEEP_ALIVE_S)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent",),
    )


def _trust(ca_file: str | None) -> ssl.SSLContext:
    """Trust the system's store and certifi's: a bare system has no store, a company's has its own roots."""
    trust = httpx.create_ssl_context()
    trust.load_default_certs()
    if ca_file is not None:
        try:
            trust.load_verify_locations(ca_file)
        except OSError as error:  # ssl.SSLError is one, for a file without certificates
            raise Invalid(f"ai.ca_file holds no certificates in PEM: {ca_file}") from error
    return trust


def _proxy(address: Address, settings: Ai) -> httpx.Proxy | None:
    if settings.proxy is None or address.socket:
        return None
    try:
        proxy = httpx.Proxy(settings.proxy)
    except (httpx.InvalidURL, ValueError) as error:
        raise Invalid("ai.proxy is no address of a proxy") from error
    if proxy.url.scheme not in ("http", "https") or not proxy.url.host:
        raise Invalid("ai.proxy begins with http:// or https:// and names a host")
    return proxy


def _key(settings: Ai) -> str:
    key = (settings.key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise Invalid("ai.key has characters that no key has")
    return key


def _headers(address: Address, key: str) -> httpx.Headers:
    headers = httpx.Headers({"accept-encoding": "identity", "user-agent": "polyagent"})
    headers["host"] = address.base.netloc.decode("ascii")
    if key:
        headers["authorization"] = f"Bearer {key}"
    return headers
