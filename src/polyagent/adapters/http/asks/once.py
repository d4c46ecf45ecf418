"""Requests that are done once: what `Idempotency-Key` means where no run keeps it."""

from collections.abc import Awaitable, Callable
from functools import wraps
from inspect import Parameter, signature
from typing import Any

import msgspec
from litestar import Response

from polyagent.adapters.http.asks.keys import Key, idempotency_key
from polyagent.adapters.http.call import Call
from polyagent.domain.answer import KeptAnswer
from polyagent.domain.run import IdempotencyKey
from polyagent.usecases.answers import AnswerOnce

Handler = Callable[..., Awaitable[Any]]


def once(handler: Handler) -> Handler:
    """Have a handler, which takes `request`, answer each key once: stands below `inject`."""

    @wraps(handler)
    async def answered(*args: Any, request: Call, key: str | None = None, **given: Any) -> Any:
        async def work() -> Any:
            return await handler(*args, request=request, **given)

        return await answered_once(request, _named(request, key, given.get("data")), work)

    _take_key(answered, handler)
    return answered


def keyed(handler: Handler) -> Handler:
    """Mark a handler that reads the key itself, since its body is no JSON."""
    handler.answers_once = True  # type: ignore[attr-defined]  # as `once` does
    return handler


async def answered_once(
    request: Call, named: IdempotencyKey | None, work: Callable[[], Awaitable[Any]]
) -> Any:
    """Do the work, unless it was done under that key: then answer what it came to."""
    if named is None:
        return await work()

    async def kept() -> KeptAnswer:
        return _kept(request, await work())

    answer_once = await request.state.dishka_container.get(AnswerOnce)
    return _told(*await answer_once(request.user, named, kept))


def _take_key(answered: Any, handler: Handler) -> None:
    """Let the framework read the header, and describe it; `answers_once` tells the OpenAPI document."""
    own = signature(handler)
    key = Parameter("key", Parameter.KEYWORD_ONLY, default=None, annotation=Key)
    answered.__signature__ = own.replace(parameters=[*own.parameters.values(), key])
    answered.__annotations__ = {**handler.__annotations__, "key": Key}
    answered.answers_once = True


def _named(request: Call, key: str | None, asked: Any) -> IdempotencyKey | None:
    return idempotency_key(
        key,
        route=f"{request.method} {request.scope['path_template']}",
        asked=[request.path_params, _without_password(asked)],
        end_user=getattr(asked, "end_user", None),
    )


def _without_password(asked: Any) -> Any:
    """A hash of it would be stored, and a password is guessed from that faster than from its own."""
    return msgspec.structs.replace(asked, password="") if hasattr(asked, "password") else asked


def _kept(request: Call, result: Any) -> KeptAnswer:
    response = result if isinstance(result, Response) else Response(result)
    return KeptAnswer(
        status=response.status_code or request.route_handler.status_code,
        headers=dict(response.headers),
        body="" if response.content is None else msgspec.json.encode(response.content).decode(),
    )


def _told(answer: KeptAnswer, replayed: bool) -> Response[bytes]:
    again = {"Idempotent-Replayed": "true"} if replayed else {}
    return Response(
        answer.body.encode(),
        status_code=answer.status,
        headers={**answer.headers, **again},
        media_type="application/json",
    )
