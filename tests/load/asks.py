"""One client of each kind: it asks once and says what came of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

import aiohttp
import msgspec

PATIENCE_S = 600.0
ENDS = ("run.completed", "run.failed", "run.cancelled")
BUSY = {"rate_limited": 429, "limited": 429, "overloaded": 503, "store_unavailable": 503}
WORDS = {"message": "Say something useful."}
COMPLETION = {
    "model": "agent/general",
    "messages": [{"role": "user", "content": "Say something useful."}],
}


class Outcome(msgspec.Struct, kw_only=True):
    """`status` 0: no answer, and `problem` says what instead. `is_answered`: with the whole of it."""

    kind: str
    status: int = 0
    seconds: float = 0.0
    retry_after_s: float | None = None
    is_answered: bool = False
    run_id: str | None = None
    problem: str = ""

    @property
    def is_refused(self) -> bool:
        return self.status in (429, 503)

    @property
    def is_kept(self) -> bool:
        """Whether it is one of the answers that clients are promised."""
        if self.is_refused:
            return self.retry_after_s is not None
        return 200 <= self.status < 300 and not self.problem


@asynccontextmanager
async def visitors() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections that nobody keeps, as many as are wanted, and no deadline but ours."""
    unbounded = aiohttp.TCPConnector(limit=0, force_close=True)
    patient = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=unbounded, timeout=patient) as http:
        yield http


class Client:
    """One request of one user at one gateway, on a connection of its own."""

    def __init__(self, http: aiohttp.ClientSession, url: str, authorization: str) -> None:
        self._http = http
        self._url = url
        self._headers = {"Authorization": authorization}

    async def ask(self, kind: str) -> Outcome:
        outcome = Outcome(kind=kind)
        began = perf_counter()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await KINDS[kind](self, outcome)
        except TimeoutError:
            outcome.problem = f"no end within {PATIENCE_S:g} s"
        except aiohttp.WSServerHandshakeError as error:
            _refused(outcome, error.status, error.headers or {})
        except (aiohttp.ClientError, OSError) as error:
            outcome.problem = f"{type(error).__name__}: {error}"
        outcome.seconds = perf_counter() - began
        return outcome

    async def chat(self, outcome: Outcome) -> None:
        body = await self._sent(outcome, "POST", "/api/v1/chat", WORDS)
        if outcome.status in (200, 202):
            outcome.run_id = body["run_id"]
            outcome.is_answered = body["status"] == "completed"

    async def run(self, outcome: Outcome) -> None:
        """Its end is looked for in the database."""
        body = await self._sent(outcome, "POST", "/api/v1/runs", WORDS)
        if outcome.status == 202:
            outcome.run_id = body["id"]

    async def front(self, outcome: Outcome) -> None:
        body = await self._sent(outcome, "POST", "/v1/chat/completions", COMPLETION)
        outcome.is_answered = outcome.status == 200 and bool(body["choices"])

    async def read(self, outcome: Outcome) -> None:
        await self._sent(outcome, "GET", "/api/v1/runs?limit=5")
        outcome.is_answered = outcome.status == 200

    async def stream(self, outcome: Outcome) -> None:
        path = self._url + "/api/v1/chat/stream"
        async with self._http.post(path, json=WORDS, headers=self._headers) as response:
            _answered(outcome, response)
            if response.status != 200:
                return
            outcome.run_id = response.headers["Content-Location"].rpartition("/")[2]
            said = await response.read()
        outcome.is_answered = b"event: run.completed" in said
        if not any(f"event: {end}".encode() in said for end in ENDS):
            outcome.problem = f"a stream without an end: {said[-100:]!r}"

    async def socket(self, outcome: Outcome) -> None:
        connecting = self._http.ws_connect(self._url + "/ws", headers=self._headers)
        async with connecting as socket:
            outcome.status = 200
            await socket.send_json({"type": "chat", "id": "1", **WORDS})
            async for message in socket:
                if _heard(outcome, message.json()):
                    return
        outcome.problem = f"the socket was closed: {socket.close_code}"

    async def _sent(self, outcome: Outcome, method: str, path: str, body: Any = None) -> Any:
        asked = self._http.request(method, self._url + path, json=body, headers=self._headers)
        async with asked as response:
            _answered(outcome, response)
            return await response.json(content_type=None)


def _answered(outcome: Outcome, response: aiohttp.ClientResponse) -> None:
    outcome.status = response.status
    if outcome.is_refused:
        _refused(outcome, response.status, response.headers)


def _refused(outcome: Outcome, status: int, headers: Mapping[str, str]) -> None:
    outcome.status = status
    if (told := headers.get("Retry-After", "")).isdigit():
        outcome.retry_after_s = float(told)


def _heard(outcome: Outcome, frame: dict[str, Any]) -> bool:
    """Note a frame, and say whether it is the last; a frame has no headers: `retryable` stands for one."""
    outcome.run_id = frame.get("run_id", outcome.run_id)
    if frame["type"] == "error":
        outcome.status = BUSY.get(frame["code"], 0)
        outcome.retry_after_s = 1.0 if frame["retryable"] else None
        outcome.problem = "" if outcome.is_refused else f"an error frame: {frame['code']}"
        return True
    outcome.is_answered = frame["type"] == "run.completed"
    return frame["type"] in ENDS


KINDS: dict[str, Callable[[Client, Outcome], Awaitable[None]]] = {
    "chat": Client.chat,
    "stream": Client.stream,
    "run": Client.run,
    "front": Client.front,
    "socket": Client.socket,
    "read": Client.read,
}
