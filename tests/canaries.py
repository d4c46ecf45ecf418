"""Everything that people give to a server, marked, and what is heard of it: `python -m tests.canaries FORMAT`.

A process of its own, since a process has one provider of spans and one configuration of logs for ever.
Prints JSON: the marks, and by place what was said there.
"""

import asyncio
import base64
import io
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from secrets import token_hex
from typing import Any, NoReturn

from dishka import Provider, Scope
from msgspec.structs import replace
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from websockets.exceptions import WebSocketException

from polyagent.adapters.telemetry.logging import configure_logging
from polyagent.domain.errors import StoreUnavailable
from polyagent.ports.models import Models
from polyagent.ports.standing import Standing
from polyagent.settings import Auth, Log, Server
from polyagent.usecases.sessions import ManageSessions
from tests.api.client import Answer, Client
from tests.api.house import SETTINGS
from tests.api.sockets import Street, street
from tests.model_service import ModelService
from tests.openai.caller import caller

FORGED = '\r\n{"event":"forged"}\x1b[31m\u2028'
SOME_ID = "01990000-0000-7000-8000-000000000000"


class Marks:
    """`secret` makes what may be said nowhere, `word` what may be answered but neither logged nor counted."""

    def __init__(self) -> None:
        self.secrets: list[str] = []
        self.words: list[str] = []

    def secret(self, kind: str = "secret") -> str:
        self.secrets.append(f"{kind}{token_hex(16)}")
        return self.secrets[-1]

    def word(self) -> str:
        self.words.append(f"word{token_hex(8)}")
        return self.words[-1]


class Visitor:
    """Calls every operation, and keeps every problem that it is told."""

    def __init__(self, town: Street, marks: Marks) -> None:
        self.house = town.house
        self.town = town
        self.marks = marks
        self.problems: list[str] = []

    async def asks(self, client: Client, method: str, path: str, body: Any = None) -> Answer:
        headers = {name.replace("-", "_"): value for name, value in self._headers()}
        answer = await client.request(method, path, json=body, headers=headers)
        if answer.status >= 400:
            self.problems.append(json.dumps([answer.headers, answer.body.decode()]))
        return answer

    def _headers(self) -> Iterator[tuple[str, str]]:
        yield "user-agent", self.marks.word() + "\x1b[31m"
        yield "cookie", f"session={self.marks.secret()}"
        yield "x-api-key", self.marks.secret()
        yield "x-request-id", f"id{FORGED}".encode("ascii", "ignore").decode()
        yield "referer", f"https://x.example/?token={self.marks.secret()}"
        yield "traceparent", self.marks.word()

    async def visit(self) -> None:
        await self._uses()
        await self._is_refused()
        await self._talks()
        await self._breaks()

    async def _uses(self) -> None:
        """Do everything that works."""
        word, root, ann = self.marks.word, self.house.root, self.house.ann
        password, name = self.marks.secret(), f"n{token_hex(4)}"
        user = {"username": name, "email": f"{name}@x.example", "password": password}
        assert (await self.asks(root, "POST", "/api/v1/users", user)).status == 201
        login = {"username": name, "password": password}
        tokens = (await self.asks(ann, "POST", "/api/v1/users/login", login)).json
        self.marks.secrets += [tokens["access_token"], tokens["refresh_token"]]
        eve = self.house.nobody.with_token(tokens["access_token"])
        change = {"current_password": password, "password": self.marks.secret()}
        await self.asks(eve, "PATCH", "/api/v1/users/profile", change)
        refresh = {"refresh_token": tokens["refresh_token"]}
        for _ in range(2):
            await self.asks(eve, "POST", "/api/v1/users/refresh", refresh)
        key = {"name": word(), "scopes": ["chat"]}
        made = (await self.asks(ann, "POST", "/api/v1/api-keys", key)).json
        self.marks.secrets.append(made["secret"])
        with_key = self.house.nobody.with_token(made["secret"])
        for client in (ann, with_key):
            await self._chats(client)
        agent = {"name": word(), "instructions": word(), "description": word()}
        await self.asks(ann, "POST", "/api/v1/agents", agent)
        call = {"name": "calculator", "arguments": {"expression": f"1+{word()}"}}
        await self.asks(ann, "POST", "/api/v1/tools/execute", call)

    async def _chats(self, client: Client) -> None:
        word = self.marks.word
        said = [
            *(word(), f'call calculator {{"expression": "{word()}"}}', "fail 503"),
            *("reset", "html", "think 3"),
            f'refuse 400 {{"error": {{"message": "you said {word()}, password={self.marks.secret()}"}}}}',
            f'refuse 401 {{"error": {{"message": "bad key {self.marks.secret()}"}}}}',
        ]
        for message in said:
            about = {"metadata": {"x": word()}, "end_user": word(), "instructions": word()}
            await self.asks(client, "POST", "/api/v1/chat", {"message": message, **about})
        await self.asks(client, "POST", "/api/v1/chat/stream", {"message": word()})
        named = {"message": word(), "model": f"m{FORGED}"}
        await self.asks(client, "POST", "/api/v1/chat", named)
        messages = [{"role": "user", "content": word()}]
        front = {"model": "agent/general", "messages": messages}
        await self.asks(client, "POST", "/v1/chat/completions", front)

    async def _is_refused(self) -> None:
        """Call every operation with every kind of bad credentials, queries and bodies."""
        doc = (await self.house.nobody.get("/openapi.json")).json
        secret = self.marks.secret
        basic = base64.b64encode(f"admin:{secret()}".encode()).decode()
        self.marks.secrets.append(basic)
        tokens = (self.house.root.token, secret(), f"pa_{token_hex(16)}_{secret()}", None)
        for template, methods in doc["paths"].items():
            path = template.replace("{number}", "1").replace("{name}", self.marks.word())
            path = "/".join(SOME_ID if "{" in part else part for part in path.split("/"))
            for method in methods:
                for token in tokens:
                    query = (
                        f"?ticket={secret()}&token={secret()}&api_key={secret()}&cursor={secret()}"
                    )
                    body = {"password": secret(), "refresh_token": secret(), "x": secret()}
                    client = self.house.nobody.with_token(token)
                    await self.asks(client, method.upper(), path + query, body)
        wrong = {"username": secret() + FORGED, "password": secret()}
        await self.asks(self.house.nobody, "POST", "/api/v1/users/login", wrong)

    async def _talks(self) -> None:
        """Say good and bad things by sockets."""
        secret = self.marks.secret
        for protocols, path in (
            (("polyagent.v1", f"bearer.{secret()}"), "/ws"),
            ((), f"/ws?ticket={secret()}&token={secret()}"),
        ):
            with suppress(WebSocketException):
                async with self.town.talk(path=path, protocols=protocols) as talk:
                    await talk.is_closed()
        async with self.town.talk(self.house.ann) as talk:
            await talk.says("chat", message=self.marks.word(), id=self.marks.word())
            await talk.hears_until("run.completed")
            for frame in (
                {"type": "auth", "token": secret()},
                {"type": self.marks.word(), "x": secret()},
                {"type": "watch", "run_id": secret()},
                {"type": "cancel", "run_id": SOME_ID, self.marks.word(): FORGED},
            ):
                await talk.sends(json.dumps(frame))
                self.problems.append(json.dumps(await talk.hears()))

    async def _breaks(self) -> None:
        """Meet defects, and a store that is away."""
        sessions = await self.house.container.get(ManageSessions)
        standing: Any = await self.house.container.get(Standing)
        told = f"postgres://u:{self.marks.secret()}@h/db Bearer {self.marks.secret()}{FORGED}"

        async def breaks(*_: Any, **__: Any) -> NoReturn:
            raise RuntimeError(f"{told} password={self.marks.secret()}")

        async def is_away(*_: Any) -> NoReturn:
            raise StoreUnavailable("PostgreSQL does not answer now.") from OSError(told)

        for method in ("get", "list", "change", "delete", "messages", "fork"):
            setattr(sessions, method, breaks)
        for path in ("", f"/{SOME_ID}", f"/{SOME_ID}/messages"):
            answer = await self.asks(self.house.ann, "GET", f"/api/v1/chat/sessions{path}")
            assert answer.status == 500
        was, standing.of = standing.of, is_away
        try:
            await self.asks(self.house.bob, "GET", f"/api/v1/agents?x={self.marks.secret()}")
        finally:
            standing.of = was


@asynccontextmanager
async def _town(marks: Marks) -> AsyncIterator[Street]:
    key = marks.secret("sk-")
    auth = Auth(jwt_secret=marks.secret())
    settings = replace(SETTINGS, auth=auth, server=Server(), log=Log(level="debug"))
    async with ModelService(key=key) as service, caller(service.url, key=key) as models:
        given = Provider(scope=Scope.APP)
        given.provide(lambda: models, provides=Models)
        async with street(settings, given) as town:
            yield town


async def main(log_format: Any) -> None:
    exporter, logs, marks = InMemorySpanExporter(), io.StringIO(), Marks()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    configure_logging(Log(level="debug", format=log_format), logs)
    async with _town(marks) as town:
        visitor = Visitor(town, marks)
        marks.secrets += [str(each.token) for each in (town.house.root, town.house.ann)]
        await visitor.visit()
        root = town.house.root
        kept = {
            "metrics": (await town.house.nobody.get("/metrics")).body.decode(),
            "health": (await root.get("/health")).body.decode(),
            "audit": (await root.get("/api/v1/audit?limit=100")).body.decode(),
        }
    spans = [span.to_json(indent=None) for span in exporter.get_finished_spans()]
    places = {"logs": logs.getvalue(), "spans": "\n".join(spans), **kept}
    places["problems"] = "\n".join(visitor.problems)
    print(json.dumps({"secrets": marks.secrets, "words": marks.words, "places": places}))  # noqa: T201  # its answer


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
