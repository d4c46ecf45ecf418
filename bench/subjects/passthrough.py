"""A bare Litestar pass-through: no authentication, nothing stored, and the leanest client."""

import os
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.response import Stream

from bench.subjects.lean_client import LeanClient

PATH = "/v1/chat/completions"


@get("/health/ready", sync_to_thread=False)
def ready() -> dict[str, bool]:
    return {"ok": True}


@post(PATH, status_code=200)
async def chat(request: Request[Any, Any, Any]) -> Response[Any]:
    client: LeanClient = request.app.state.client
    body = await request.body()
    if msgspec.json.decode(body).get("stream"):
        return Stream(client.stream(PATH, body), media_type="text/event-stream")
    return Response(await client.post(PATH, body), media_type="application/json")


def connect(app: Litestar) -> None:
    app.state.client = LeanClient("127.0.0.1", int(os.environ["BENCH_MODEL_PORT"]))


app = Litestar([ready, chat], on_startup=[connect], openapi_config=None, logging_config=None)
