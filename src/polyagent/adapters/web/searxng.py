"""Web search by a SearXNG of the operator's. https://docs.searxng.org/dev/search_api.html"""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import httpx

from polyagent.domain.errors import ToolFailed
from polyagent.domain.tool import Hit

MAX_ANSWER_BYTES = 2_000_000
NOT_CONFIGURED = (
    "Web search is not configured. The operator sets the address of a SearXNG in the setting "
    "tools.searxng_url, or POLYAGENT_TOOLS__SEARXNG_URL in the environment."
)
AWAY = "The search service does not answer."
ODD = "The search service gave an answer that makes no sense."


class NoSearch:
    missing: str | None = NOT_CONFIGURED

    async def __call__(self, query: str, count: int) -> Sequence[Hit]:
        raise ToolFailed(NOT_CONFIGURED)


class SearxngSearch:
    missing: str | None = None

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url.rstrip("/").removesuffix("/search") + "/search"
        self._client = client

    async def __call__(self, query: str, count: int) -> Sequence[Hit]:
        try:
            body = await self._fetch(query)
        except httpx.HTTPError as error:
            raise ToolFailed(AWAY) from error
        return [*islice(_hits(body), count)]

    async def _fetch(self, query: str) -> bytes:
        parameters = {"q": query, "format": "json"}
        async with self._client.stream("GET", self._url, params=parameters) as response:
            _check(response.status_code)
            body = bytearray()
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise ToolFailed(ODD)
        return bytes(body)


def _check(status: int) -> None:
    match status:
        case 200:
            return
        case 403:
            raise ToolFailed("The search service refuses JSON: add json to its search.formats.")
        case 429:
            raise ToolFailed("The search service is asked too often; try again later.")
        case _:
            raise ToolFailed(f"The search service answered {status}.")


def _hits(body: bytes) -> Iterator[Hit]:
    try:
        found = json.loads(body)["results"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise ToolFailed(ODD) from error
    for row in found if isinstance(found, list) else []:
        if isinstance(row, dict) and (hit := _hit(row)).url.startswith(("http://", "https://")):
            yield hit


def _hit(row: dict[str, Any]) -> Hit:
    return Hit(
        title=str(row.get("title") or "")[:300],
        url=str(row.get("url") or "")[:2000],
        snippet=str(row.get("content") or "")[:1000],
    )
