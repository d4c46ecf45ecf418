"""Search of the web, if there is one, and the guarded client."""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import httpx
from dishka import Provider, Scope, provide

from polyagent import settings
from polyagent.adapters.web.dialling import SystemLookup
from polyagent.adapters.web.guarded import GuardedClient
from polyagent.adapters.web.searxng import NoSearch, SearxngSearch
from polyagent.domain.network import Allowance
from polyagent.ports.outbound import Outbound
from polyagent.ports.search import Search

CONNECT_TIMEOUT_S = 5


class WebProvider(Provider):
    scope = Scope.APP

    @provide
    async def search(self, configured: settings.Tools) -> AsyncIterator[Search]:
        if configured.searxng_url is None:
            yield NoSearch()
            return
        async with _client(configured) as client:
            yield SearxngSearch(configured.searxng_url, client)

    @provide
    def outbound(self, configured: settings.Tools) -> Iterator[Outbound]:
        with closing(SystemLookup()) as lookup:
            allowance = Allowance.of(configured.allow_private)
            yield GuardedClient(allowance, lookup, _trust(), configured.proxy)


def _client(configured: settings.Tools) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        headers={"Accept-Encoding": "identity", "User-Agent": "polyagent"},
        limits=httpx.Limits(max_connections=20, max_keepalive_connections=5),
        proxy=configured.proxy,
        timeout=httpx.Timeout(configured.timeout_s, connect=CONNECT_TIMEOUT_S),
        trust_env=False,
        verify=ssl.create_default_context(),
    )


def _trust() -> ssl.SSLContext:
    """Trust the system's store and certifi's: a bare system has no store, a company's has its own roots."""
    trust = httpx.create_ssl_context(trust_env=False)
    trust.load_default_certs()
    return trust
