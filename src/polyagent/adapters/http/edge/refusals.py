"""Answers of the edge itself, which no route gives."""

import msgspec
from litestar.types import HTTPScope, Send, WebSocketScope

from polyagent.adapters.http.edge.answer import ALONE
from polyagent.adapters.http.errors import headers_of, problem_of
from polyagent.adapters.http.front.errors import shaped
from polyagent.domain.errors import PolyAgentError


async def refuse(scope: HTTPScope, send: Send, error: PolyAgentError) -> None:
    status, headers, body = _problem(scope, error)
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def refuse_upgrade(scope: WebSocketScope, send: Send, error: PolyAgentError) -> None:
    """Answer the request that would open a socket, once it was received."""
    status, headers, body = _problem(scope, error)
    headers += [*ALONE, (b"x-request-id", scope["state"]["request_id"].encode())]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body, "more_body": False})


def _problem(
    scope: HTTPScope | WebSocketScope, error: PolyAgentError
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    problem = problem_of(error, scope)
    told, media_type = shaped(problem)
    headers = [(b"content-type", media_type.encode())]
    headers += [(n.lower().encode(), v.encode()) for n, v in headers_of(error, scope).items()]
    return problem.status, headers, msgspec.json.encode(told)
