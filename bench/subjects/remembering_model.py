"""A model with a small window that remembers what it is told: `python -m bench.subjects.remembering_model PORT`.

It refuses what its window cannot hold, says how much of a prompt it has seen before (as services with a
prefix cache do), keeps in a summary every sentence that begins with "Remember", and tells the word if
the prompt has it. `GET /seen` tells of all requests since the start.
"""

import sys

import msgspec
from aiohttp import web

WINDOW = 4096
WORD = "ultramarine"
SUMMARY = "Write the summary now"


class Seen(msgspec.Struct, frozen=True):
    """One request; tokens are four characters each."""

    tokens: int
    cached: int
    is_summary: bool
    recalls: bool


class Model:
    def __init__(self) -> None:
        self._seen: list[Seen] = []
        self._known: list[str] = []

    async def models(self, _: web.Request) -> web.Response:
        return _json({"data": [{"id": "remembering", "context_length": WINDOW}]})

    async def seen(self, _: web.Request) -> web.Response:
        return _json(self._seen)

    async def chat(self, request: web.Request) -> web.Response:
        asked = (await request.json())["messages"]
        told = [f"{message['role']}: {message['content']}" for message in asked]
        tokens = sum(map(len, told)) // 4
        if tokens > WINDOW:
            error = {"message": f"maximum context length is {WINDOW} tokens"}
            return web.Response(status=400, body=msgspec.json.encode({"error": error}))
        is_summary = SUMMARY in told[-1]
        cached = 0 if is_summary else _common(self._known, told) // 4
        if not is_summary:
            self._known = told
        recalls = any(WORD in text for text in told)
        self._seen.append(Seen(tokens, cached, is_summary, recalls))
        return _stream(_summary(told[-1]) if is_summary else _answer(recalls), tokens, cached)


def _common(known: list[str], told: list[str]) -> int:
    """Return how many characters two prompts have in common at their beginning."""
    common = 0
    for old, new in zip(known, told, strict=False):
        if old != new:
            return common
        common += len(old)
    return common


def _summary(told: str) -> str:
    kept = [f"Remember{rest.split('.')[0]}." for rest in told.split("Remember")[1:]]
    return " ".join(dict.fromkeys(kept)) or "Nothing."


def _answer(recalls: bool) -> str:
    return f"It is {WORD}, and so on. " * 20 if recalls else "I do not know. " * 30


def _stream(text: str, tokens: int, cached: int) -> web.Response:
    usage = {
        "prompt_tokens": tokens,
        "completion_tokens": len(text) // 4,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    choices = [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]
    lines = ({"choices": choices}, {"choices": [], "usage": usage})
    body = b"".join(b"data: %b\n\n" % msgspec.json.encode(line) for line in lines)
    return web.Response(body=body + b"data: [DONE]\n\n", content_type="text/event-stream")


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")


def app() -> web.Application:
    model = Model()
    made = web.Application(client_max_size=2**26)
    made.router.add_get("/v1/models", model.models)
    made.router.add_post("/v1/chat/completions", model.chat)
    made.router.add_get("/seen", model.seen)
    return made


if __name__ == "__main__":
    web.run_app(app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
