"""The guarded client: the one way to addresses that a user, a document or a model supplies."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import aiohttp
import yarl
from msgspec.structs import replace

from polyagent.adapters.web.dialling import Judge, Lookup
from polyagent.adapters.web.urls import led_to, parse, require_public
from polyagent.domain.errors import (
    AnswerTooLarge,
    AnswerUnusable,
    FetchFailed,
    FetchTimedOut,
)
from polyagent.domain.network import Allowance, literal
from polyagent.domain.outbound import Fetch, Fetched, require_headers

AT_ONCE = 32
LOOKUP_S = 3.0
REDIRECTS = frozenset({301, 302, 303, 307, 308})
OURS = {"Accept-Encoding": "identity", "User-Agent": "polyagent"}


class GuardedClient:
    """A connection of its own for each request: nothing that one user causes is there for the next.

    At most `AT_ONCE` requests are under way; the time to wait for a place is part of a request's.
    Through a `proxy` of the operator's, names are judged by what they are here, and the proxy has
    the last word: it looks them up again.
    """

    def __init__(
        self, allowance: Allowance, lookup: Lookup, trust: ssl.SSLContext, proxy: str | None = None
    ) -> None:
        self._allowance = allowance
        self._lookup = lookup
        self._trust = trust
        self._proxy = proxy
        self._places = asyncio.Semaphore(AT_ONCE)

    def require_allowed(self, url: str) -> None:
        require_public(parse(url), self._allowance)

    async def judge(self, url: str) -> None:
        self.require_allowed(url)
        host = parse(url).raw_host or ""
        if literal(host) is None:
            with suppress(FetchFailed, TimeoutError):
                async with asyncio.timeout(LOOKUP_S):
                    await Judge(host, self._allowance, self._lookup).resolve(host)

    async def fetch(self, ask: Fetch) -> Fetched:
        require_headers(ask.headers)
        url = parse(ask.url)
        try:
            async with asyncio.timeout(ask.timeout_s), self._places:
                return await self._follow(url, ask)
        except TimeoutError as error:
            raise FetchTimedOut(
                f"The address did not answer within {ask.timeout_s:g} s."
            ) from error

    async def _follow(self, url: yarl.URL, ask: Fetch) -> Fetched:
        for _ in range(ask.redirects + 1):
            async with self._answer(url, ask) as response:
                location = response.headers.get("location")
                if response.status not in REDIRECTS or not location or not ask.redirects:
                    return await _read(response, ask.max_bytes)
            there = led_to(url, location)
            ask = _again(ask, response.status, same_origin=there.origin() == url.origin())
            url = there
        raise AnswerUnusable("The address redirects too often.")

    @asynccontextmanager
    async def _answer(self, url: yarl.URL, ask: Fetch) -> AsyncIterator[aiohttp.ClientResponse]:
        require_public(url, self._allowance)
        with _named():
            async with _session(await self._connector(url.raw_host or "")) as session:
                response = await session.request(
                    ask.method,
                    url,
                    headers={**ask.headers, **OURS},
                    data=ask.body,
                    allow_redirects=False,
                    proxy=self._proxy,
                )
                try:
                    yield response
                finally:
                    response.close()

    async def _connector(self, host: str) -> aiohttp.TCPConnector:
        judge = Judge(host, self._allowance, self._lookup)
        if self._proxy is None:
            return judge.connector(self._trust)
        with suppress(FetchFailed):  # a name that only the proxy knows
            await judge.resolve(host)
        return aiohttp.TCPConnector(force_close=True, ssl=self._trust)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),
        auto_decompress=False,
        trust_env=False,
    )


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> Fetched:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        raise AnswerUnusable("The address sends its answer compressed, unasked.")
    body = bytearray()
    if (response.content_length or 0) <= max_bytes:
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > max_bytes:
                break
        else:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Fetched(
                url=str(response.url), status=response.status, headers=headers, body=bytes(body)
            )
    raise AnswerTooLarge(f"The address answers more than {max_bytes} bytes.")


def _again(ask: Fetch, status: int, *, same_origin: bool) -> Fetch:
    """Return the request that follows a redirect. https://fetch.spec.whatwg.org/#http-redirect-fetch"""
    if not same_origin:
        ask = replace(ask, headers={})
    if ask.method not in ("GET", "HEAD") and (
        status == 303 or (status in (301, 302) and ask.method == "POST")
    ):
        ask = replace(ask, method="GET", body=None)
    return ask


@contextmanager
def _named() -> Iterator[None]:
    """Say what went wrong, and nothing of where names led."""
    try:
        yield
    except TimeoutError:
        raise
    except aiohttp.ClientSSLError as error:
        raise FetchFailed("TLS with the address failed: its certificate is not trusted.") from error
    except aiohttp.ClientConnectorError as error:
        raise FetchFailed("The address could not be reached.") from error
    except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError) as error:
        raise FetchFailed("The connection to the address broke off.") from error
    except (aiohttp.ClientError, ValueError) as error:
        raise AnswerUnusable("What the address answers is no HTTP.") from error
