"""What a client of the API does in a drill, on whichever gateway it likes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any

import httpx
import msgspec

from polyagent.adapters.selftest.servers import Servers
from polyagent.adapters.selftest.tools import OFFERED
from polyagent.domain.selftest import SelftestBroken

PAUSE_S = 0.1
SILENCE_S = 45.0
AGENT = "selftest"
ADMIN = "admin"


def http_client() -> httpx.AsyncClient:
    """Return a client that goes past any proxy."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    timeout = httpx.Timeout(SILENCE_S, connect=2)
    return httpx.AsyncClient(trust_env=False, limits=limits, timeout=timeout)


class Client:
    def __init__(self, http: httpx.AsyncClient, servers: Servers, chance: Random) -> None:
        self._http = http
        self._servers = servers
        self._chance = chance
        self._headers: dict[str, str] = {}
        self._agent_id = ""

    async def open(self, password: str) -> None:
        """Log in and make the agent of the drill. Raises `SelftestBroken`."""
        login = {"username": ADMIN, "password": password}
        token = await self._posted("/api/v1/users/login", login)
        self._headers = {"Authorization": f"Bearer {token['access_token']}"}
        agent = await self._posted("/api/v1/agents", {"name": AGENT, "tools": [*OFFERED]})
        self._agent_id = agent["id"]

    async def _posted(self, path: str, body: Any) -> Any:
        answer = await self._http.post(self._url(path), json=body, headers=self._headers)
        if not answer.is_success:
            raise SelftestBroken(f"POST {path} was answered {answer.status_code}: {answer.text}")
        return answer.json()

    def ask(
        self, message: str, key: str, *, background: bool
    ) -> AbstractAsyncContextManager[httpx.Response]:
        """Start a run, or find the one of this key; the answer is its stream, or the run itself."""
        path = "/api/v1/runs" if background else "/api/v1/chat/stream"
        body = {"message": message, "agent_id": self._agent_id}
        headers = {**self._headers, "Idempotency-Key": key}
        return self._http.stream("POST", self._url(path), json=body, headers=headers)

    def follow(self, run_id: str, after: int) -> AbstractAsyncContextManager[httpx.Response]:
        headers = {**self._headers, "Last-Event-ID": str(after), "Accept": "text/event-stream"}
        url = self._url(f"/api/v1/runs/{run_id}/events")
        return self._http.stream("GET", url, headers=headers)

    async def journal(self, run_id: str) -> list[dict[str, Any]]:
        """Return every event that the run still has, page by page."""
        events: list[dict[str, Any]] = []
        headers = {**self._headers, "Accept": "application/json"}
        after = 0
        while True:
            url = self._url(f"/api/v1/runs/{run_id}/events?after={after}")
            try:
                page = (await self._http.get(url, headers=headers)).raise_for_status().json()
            except (httpx.TransportError, httpx.HTTPStatusError):
                await asyncio.sleep(PAUSE_S)
                continue
            events += page["items"]
            after = page["next_after"]
            if page["ended"] or not page["items"]:
                return events

    def _url(self, path: str) -> str:
        return self._servers.pick(self._chance) + path


async def events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Yield the events of a stream; ours have one line of data each."""
    async for line in response.aiter_lines():
        if line.startswith("data:"):
            yield msgspec.json.decode(line.removeprefix("data:"), type=dict[str, Any])
