"""The words that a user message may begin with. Each line of it is one step: after the tool results comes the next.

What is no script is echoed; after tool results without a further line the answer tells them.
"""

import asyncio
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.model_service.reply import Reply

FLOOD = b"x" * 65_536

_PASSAGE = re.compile(r'<passage id="(\w+)"[^\n]*>\n(.*?)\n</passage>', re.DOTALL)
_PASSAGES = re.compile(
    r"\A\[(?:Passages from|The server looked).*?(?:checks it|they say)\.\]\n\n", re.DOTALL
)


class Ask:
    """One request: `key` is its last user message, `step` how often the model spoke since.

    `passages` are what documents say of it, each with the id to cite it by.
    """

    def __init__(self, body: dict[str, Any], plays: Mapping[str, str] | None = None) -> None:
        self.body = body
        self._plays = plays or {}
        messages: list[dict[str, Any]] = body.get("messages") or []
        last = max((n for n, m in enumerate(messages) if m.get("role") == "user"), default=-1)
        since = messages[last + 1 :]
        said = _text(messages[last].get("content")) if last >= 0 else ""
        self.passages: list[tuple[str, str]] = _PASSAGE.findall(said)
        self.key = _PASSAGES.sub("", said)
        self.step: int = sum(message.get("role") == "assistant" for message in since)
        self.results = [_text(m.get("content")) for m in since if m.get("role") == "tool"]

    @property
    def line(self) -> str:
        lines = self._plays.get(self.key, self.key).strip().split("\n")
        if self.step < len(lines):
            return lines[self.step]
        if lines[-1].startswith("toolloop"):
            return lines[-1]
        return f"say The tools say: {' '.join(self.results)}" if self.results else ""


class Stage:
    """What scripts share: places to wait at, and how often a script was called."""

    def __init__(self) -> None:
        self.arrivals: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.releases: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.departures: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.failures: defaultdict[str, int] = defaultdict(int)


Script = Callable[[Reply, str, Ask, Stage], Awaitable[None]]


async def play(reply: Reply, ask: Ask, stage: Stage) -> None:
    word, _, rest = ask.line.partition(" ")
    script = SCRIPTS.get(word)
    if script is None:
        await say(reply, f"You said: {ask.line}", ask, stage)
    else:
        await script(reply, rest, ask, stage)


async def say(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    for word in rest.split(" "):
        await reply.delta(content=f"{word} ")
    await reply.finish()


async def cite(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """`cite <words>`: from the first passage that has them, else from the first that there is."""
    labels = [label for label, text in ask.passages if rest in text]
    labels += [label for label, _ in ask.passages]
    await say(reply, f'It says [[{[*labels, "00000000"][0]}: "{rest}"]]', ask, stage)


async def slow(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """`slow <n> <ms>`: n words, one in ms milliseconds."""
    count, pause_ms = map(int, rest.split())
    for n in range(count):
        await asyncio.sleep(pause_ms / 1000)
        await reply.delta(content=f"w{n} ")
    await reply.finish()


async def long(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    for n in range(int(rest)):
        await reply.delta(content=f"w{n} ")
    await reply.finish()


async def think(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    for word in rest.split(" "):
        await reply.delta(reasoning_content=f"{word} ")
    await reply.delta(content="I thought about it.")
    await reply.finish()


async def calls(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """`calls <tool> <json> ; <tool> <json>`: the arguments come in two pieces."""
    wanted = [call.strip().partition(" ") for call in rest.split(" ; ")]
    for n, (name, _, text) in enumerate(wanted):
        head = {"index": n, "id": f"call_{ask.step}_{n}", "type": "function"}
        half = len(text) // 2
        if not reply_streams(ask):
            await reply.delta(tool_calls=[{**head, "function": {"name": name, "arguments": text}}])
            continue
        await reply.delta(
            tool_calls=[{**head, "function": {"name": name, "arguments": text[:half]}}]
        )
        await reply.delta(tool_calls=[{"index": n, "function": {"arguments": text[half:]}}])
    await reply.finish("tool_calls")


async def toolloop(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """`toolloop [<tool> [<json>]]`: calls it for ever; the first tool on offer unless it is named."""
    offered = ask.body.get("tools") or [{"function": {"name": "nothing"}}]
    await calls(reply, rest or f"{offered[0]['function']['name']} {{}}", ask, stage)


async def fail(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """`fail <status> [<times> [<seconds>]]`: then it answers; a 429 asks to wait, a second unless told."""
    status, times, wait_s, *_ = [*rest.split(" "), "", ""]
    stage.failures[ask.key] += 1
    if times and stage.failures[ask.key] > int(times):
        await say(reply, "It works again.", ask, stage)
        return
    headers = {"retry_after": wait_s or "1"} if status == "429" else {}
    error = {"error": {"message": f"scripted failure {status}", "type": "server_error"}}
    await reply.json(int(status), error, **headers)


async def refuse(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """`refuse <status> <body>`: that answer."""
    status, _, body = rest.partition(" ")
    await reply.body(int(status), "application/json", body.encode())


async def html(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    page = b"<!doctype html><title>Sign in</title><h1>502 Bad Gateway at http://10.0.0.1/</h1>"
    await reply.body(int(rest or 200), "text/html; charset=utf-8", page)


async def reset(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """`reset [first]`: a connection that breaks after a delta, or before any."""
    if rest != "first":
        await reply.delta(content="half ")
        await asyncio.sleep(0.05)  # RST takes along what was not read yet
    reply.reset()


async def garbage(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    await reply.raw(b"data: this is no JSON\n\n")
    await reply.end()


async def badutf8(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    await reply.raw(b'data: {"choices":[{"delta":{"content":"a\xff\xfeb"}}]}\n\n')
    await reply.finish()


async def nousage(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    await reply.delta(content=rest or "no usage")
    await reply.finish(usage=False)


async def nodone(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    await reply.delta(content="no done")
    await reply.finish(done=False)


async def half(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """A delta, then half a JSON and a clean end."""
    await reply.delta(content="half ")
    await reply.raw(b'data: {"choices":[{"del')
    await reply.end()


async def hang(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """`hang [<text>]`: never an answer; or that text, and then silence."""
    if rest:
        await reply.delta(content=rest)
    await reply.unless_left(asyncio.Event().wait())


async def hold(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """`hold <name>`: one delta, then it waits to be released."""
    await reply.delta(content="holding ")
    stage.arrivals[rest].set()
    await reply.unless_left(stage.releases[rest].wait())
    await reply.delta(content="released")
    await reply.finish()


async def drip(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """`drip [<ms>]`: a byte each time, and never a whole line."""
    await reply.raw(b"data: ")
    while True:
        await reply.raw(b"x")
        await reply.unless_left(asyncio.sleep(int(rest or 20) / 1000))


async def endless(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """A line that never ends."""
    await reply.raw(b"data: ")
    while True:
        await reply.raw(FLOOD)


async def comments(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """Comments that never end."""
    while True:
        await reply.raw(b": ping\n" * 10_000)


async def flood(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """Text that never ends, whatever `max_tokens` says."""
    while True:
        await reply.delta(content="word " * 200)


async def gzipbomb(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    press = zlib.compressobj(9, wbits=31)
    await reply.raw(press.compress(bytes(50_000_000)) + press.flush(), content_encoding="gzip")
    await reply.end()


async def empty(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    await reply.chunk(choices=[])
    await reply.raw(b"data: [DONE]\n\n")
    await reply.end()


async def stub(reply: Reply, rest: str, ask: Ask, stage: Stage) -> None:
    """`stub <json list>`: each text, followed by an empty line, and a clean end."""
    for line in json.loads(rest):
        await reply.raw(f"{line}\n\n".encode())
    await reply.end()


SCRIPTS: dict[str, Script] = {
    "call": calls,
    **{
        script.__name__: script
        for script in (
            say, cite, slow, long, think, calls, toolloop, fail, refuse, html, reset, garbage, badutf8,
            nousage, nodone, half, hang, hold, drip, endless, comments, flood, gzipbomb, empty, stub,
        )
    },
}  # fmt: skip


def reply_streams(ask: Ask) -> bool:
    return bool(ask.body.get("stream"))


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content)
    return content if isinstance(content, str) else ""
