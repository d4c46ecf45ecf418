"""Asking Redis by scripts: what is asked while an answer is awaited goes together as the next."""

import asyncio
from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.asyncio import Redis as RedisClient
from redis.exceptions import NoScriptError

from polyagent.adapters.redis.live.wire import AWAY, Wire

PREFIX = "{limits}:"

Argument = bytes | str | int


class Script:
    def __init__(self, name: str) -> None:
        self.text = (files(__package__) / f"{name}.lua").read_bytes()
        self.sha = sha1(self.text, usedforsecurity=False).hexdigest()


class _Question:
    def __init__(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> None:
        self.script = script
        self.rest = (len(keys), *(PREFIX + key for key in keys), *arguments)
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Asker:
    """Its keys share a slot of a Redis Cluster."""

    def __init__(self, client: RedisClient, *, timeout_s: float) -> None:
        self._wire = Wire(client, timeout_s)
        self._questions: list[_Question] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """Raises one of `AWAY`: it may have been done."""
        question = _Question(script, keys, arguments)
        self._questions.append(question)
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return await question.answer

    async def aclose(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await self._wire.aclose()

    async def _ask_all(self) -> None:
        try:
            while self._questions:
                asked, self._questions = self._questions, []
                try:
                    replies = await self._replies(asked)
                except AWAY as error:
                    replies = [error] * len(asked)
                for question, reply in zip(asked, replies, strict=True):
                    _settle(question.answer, reply)
        finally:
            self._asking = None

    async def _replies(self, asked: Sequence[_Question]) -> list[Any]:
        """A script may be new to this server: its text goes with the question then."""
        commands = [(b"EVALSHA", question.script.sha, *question.rest) for question in asked]
        replies = await self._wire.call(commands)
        for n, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):
                command = (b"EVAL", asked[n].script.text, *asked[n].rest)
                (replies[n],) = await self._wire.call([command])
        return replies


def _settle(answer: asyncio.Future[Any], reply: Any) -> None:
    if answer.done():
        return
    if isinstance(reply, Exception):
        answer.set_exception(reply)
    else:
        answer.set_result(reply)
