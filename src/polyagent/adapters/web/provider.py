"""Search of the web, if there is one."""

import ssl
from collections.abc import AsyncIterator

import httpx
from dishka import Provider, Scope, provide

from polyagent import settings
from polyagent.adapters.web.searxng import NoSearch, SearxngSearch
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


def _client(configured: settings.Tools) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        headers={"Accept-Encoding": "identity", "User-Agent": "polyagent"},
        limits=httpx.Limits(max_connections=20, max_keepalive_connections=5),
        proxy=configured.proxy,
        timeout=httpx.Timeout(configured.timeout_s, connect=CONNECT_TIMEOUT_S),
        trust_env=False,
        verify=ssl.create_default_context(),
    )
