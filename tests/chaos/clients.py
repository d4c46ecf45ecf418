"""Clients as API.md wants them: they repeat what got no answer, and read on where they were."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import httpx
import msgspec

from tests.chaos.plan import Ask
from tests.chaos.records import Answered, Broken, History, Reader, Sent
from tests.chaos.sockets import Refused, SocketEnded, watched
from tests.chaos.sse import frames_of

CHAT_WAIT_S = 5
READ_S = 40.0  # longer than the silence between two pings
PAUSE_S = (0.05, 0.4)
ENDS = ("run.completed", "run.failed", "run.cancelled")
Told = Callable[[Sent, str], None]
TOOLS = ("ledger_read", "ledger_write", "ledger_once")


class Client:
    """One user, at whatever gateway comes to mind."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        gateways: Mapping[str, str],
        user_id: str,
        token: str,
        history: History,
        dice: random.Random,
    ) -> None:
        self._http = http
        self._gateways = gateways
        self._user_id = user_id
        self._token = token
        self._history = history
        self._dice = dice

    async def send(self, ask: Ask, session_id: str | None, told: Told) -> Sent:
        """Send until it is acknowledged, and tell that once; a stream is followed to its end."""
        sent = Sent(
            ask=ask,
            user_id=self._user_id,
            asked_session_id=session_id,
            session_id=session_id,
            first_sent_s=time.time(),
        )
        self._history.sent.append(sent)
        if ask.sends == "lost":
            await self._gives_up(sent, told)
        times = 2 if ask.sends == "twice" else 1
        await asyncio.gather(*(self._until_answered(sent, told) for _ in range(times)))
        return sent

    async def _gives_up(self, sent: Sent, told: Told) -> None:
        """Leave before the answer: the run may be there or not."""
        try:
            async with asyncio.timeout(self._dice.uniform(0.005, 0.1)):
                await self._attempt(sent, self._gateway(), told)
        except (TimeoutError, httpx.TransportError):
            pass

    async def _until_answered(self, sent: Sent, told: Told) -> None:
        while True:
            gateway = self._gateway()
            try:
                if await self._attempt(sent, gateway, told):
                    return
            except httpx.TransportError as error:
                self._broke(gateway, "lost", error)
            await self._pause()

    async def _attempt(self, sent: Sent, gateway: str, told: Told) -> bool:
        """Send once; whether it was acknowledged."""
        if sent.ask.how == "stream":
            return await self._stream(sent, gateway, told)
        path = "/api/v1/chat" if sent.ask.how == "chat" else "/api/v1/runs"
        headers = {"Idempotency-Key": sent.ask.mark, "Prefer": f"wait={CHAT_WAIT_S}"}
        response = await self._request(gateway, "POST", path, json=_body(sent), headers=headers)
        if response.is_success:
            body = response.json()
            _acknowledge(sent, body.get("run_id") or body["id"], body["session_id"], told)
        return response.is_success

    async def _stream(self, sent: Sent, gateway: str, told: Told) -> bool:
        headers = {"Idempotency-Key": sent.ask.mark}
        async with self._open(
            gateway, "POST", "/api/v1/chat/stream", json=_body(sent), headers=headers
        ) as response:
            if not response.is_success:
                return False
            run_id = response.headers["content-location"].rpartition("/")[2]
            _acknowledge(sent, run_id, None, told)
            reader = self.reader("asker", run_id)
            try:
                await self._read(reader, gateway, response)
            except asyncio.CancelledError:
                reader.left = True
                raise
        await self.watch(reader)
        return True

    async def session_of(self, sent: Sent) -> str:
        """Return the session of an acknowledged ask, asking for it if no answer named it."""
        while sent.session_id is None:
            (run_id,) = sent.run_ids
            if run := await self._tried("GET", f"/api/v1/runs/{run_id}"):
                sent.session_id = run.json()["session_id"]
        return sent.session_id

    async def cancel(self, run_id: str) -> None:
        while True:
            answer = await self._tried("POST", f"/api/v1/runs/{run_id}/cancel")
            if answer is not None and answer.status_code in (202, 409):
                return

    async def watch(self, reader: Reader, *, leaves: bool = False) -> None:
        """Follow to the end, on another gateway after each break; at times leave for no reason."""
        while not reader.finished:
            gateway = self._gateway()
            most = self._dice.randint(3, 30) if leaves and self._dice.random() < 0.5 else None
            headers = {"Last-Event-ID": str(reader.last_id)} if reader.last_id else {}
            path = f"/api/v1/runs/{reader.run_id}/events"
            try:
                async with self._open(gateway, "GET", path, headers=headers) as response:
                    if response.status_code == 204:
                        reader.finished = True
                    elif response.is_success:
                        await self._read(reader, gateway, response, most)
            except httpx.TransportError as error:
                self._broke(gateway, "lost", error)
            if not reader.finished:
                await self._pause()

    async def watch_by_socket(self, reader: Reader) -> None:
        """Follow to the end over WebSockets, one after each break."""
        while not reader.finished:
            gateway = self._gateway()
            try:
                await self._listen(reader, gateway)
            except Refused as refused:
                status = 503 if refused.retryable else 400
                self._answered(gateway, "a watch frame", status, refused.code, "0")
            except SocketEnded as ended:
                how = "hinted" if ended.hinted else "cut" if ended.opened else "lost"
                self._broke(gateway, how, ended)
            if not reader.finished:
                await self._pause()

    async def _listen(self, reader: Reader, gateway: str) -> None:
        url = self._gateways[gateway]
        frames = watched(url, self._token, reader.run_id, reader.last_id)
        reader.connections += 1
        async with aclosing(frames):
            async for event in frames:
                reader.events.append(event)
                if event["type"] in ENDS:
                    reader.finished = True
                    return

    async def poll(self, reader: Reader) -> None:
        """Read the journaled events in pages."""
        while not reader.finished:
            page = await self._tried(
                "GET",
                f"/api/v1/runs/{reader.run_id}/events?after={reader.last_id}&limit=7",
                headers={"Accept": "application/json"},
            )
            if page is not None and page.is_success:
                reader.events += page.json()["items"]
                reader.finished = page.json()["ended"]

    def reader(self, name: str, run_id: str, after: int = 0, *, deltas: bool = True) -> Reader:
        reader = Reader(name=name, run_id=run_id, after=after, deltas=deltas)
        self._history.readers.append(reader)
        return reader

    async def _read(
        self, reader: Reader, gateway: str, response: httpx.Response, most: int | None = None
    ) -> None:
        reader.connections += 1
        hinted = False
        try:
            async for frame in frames_of(response.aiter_lines()):
                hinted = frame.retry is not None
                if frame.event is not None:
                    reader.events.append(frame.event)
                    reader.finished = frame.event["type"] in ENDS
                    most = most and most - 1
                if most == 0:
                    return
        except httpx.TransportError as error:
            self._broke(gateway, "cut", error)
        else:
            if not reader.finished:
                self._broke(gateway, "hinted" if hinted else "cut", EOFError("the stream ended"))

    async def _tried(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        """Ask some gateway once; None, after a pause, if it does not answer or says to come again."""
        gateway = self._gateway()
        try:
            response = await self._request(gateway, method, path, **options)
        except httpx.TransportError as error:
            self._broke(gateway, "lost", error)
        else:
            if response.status_code not in (429, 503):
                return response
        await self._pause()
        return None

    async def _request(
        self, gateway: str, method: str, path: str, **options: Any
    ) -> httpx.Response:
        async with self._open(gateway, method, path, **options) as response:
            await response.aread()
            return response

    @asynccontextmanager
    async def _open(
        self, gateway: str, method: str, path: str, **options: Any
    ) -> AsyncIterator[httpx.Response]:
        headers = {"Authorization": f"Bearer {self._token}", **options.pop("headers", {})}
        url = f"{self._gateways[gateway]}{path}"
        async with self._http.stream(method, url, headers=headers, **options) as response:
            code = None
            if response.is_error:
                code = _code(await response.aread())
            what = f"{method} {path.partition('?')[0]}"
            retry_after = response.headers.get("retry-after")
            self._answered(gateway, what, response.status_code, code, retry_after)
            yield response

    def _answered(
        self, gateway: str, what: str, status: int, code: str | None, retry_after: str | None
    ) -> None:
        self._history.answers.append(
            Answered(
                at_s=time.time(),
                gateway=gateway,
                what=what,
                status=status,
                code=code,
                retry_after=retry_after,
            )
        )

    def _gateway(self) -> str:
        return self._dice.choice([*self._gateways])

    def _broke(self, gateway: str, how: Any, error: Exception) -> None:
        told = f"{type(error).__name__}: {error}"
        self._history.broken.append(Broken(at_s=time.time(), gateway=gateway, how=how, error=told))

    async def _pause(self) -> None:
        await asyncio.sleep(self._dice.uniform(*PAUSE_S))


def _acknowledge(sent: Sent, run_id: str, session_id: str | None, told: Told) -> None:
    sent.run_ids.add(run_id)
    sent.session_id = sent.session_id or session_id
    if sent.acknowledged_s is None:
        sent.acknowledged_s = time.time()
        told(sent, run_id)


def _body(sent: Sent) -> dict[str, Any]:
    body: dict[str, Any] = {"message": sent.ask.message, "tools": TOOLS}
    return body if sent.asked_session_id is None else {**body, "session_id": sent.asked_session_id}


def _code(body: bytes) -> str | None:
    try:
        return str(msgspec.json.decode(body)["code"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return None
