"""Which errors an operation can answer: what its form implies, and what its handler declares as `fails`.

A defect of the server (500) is nobody's to expect: `default` stands for it.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import msgspec

from polyagent.adapters.http.admission import ALWAYS
from polyagent.adapters.http.catalogue import CATALOGUE, entry, title
from polyagent.adapters.http.edge.edge import HEALTH
from polyagent.adapters.http.errors import (
    PROBLEM,
    HeadersTooLarge,
    HostRefused,
    MediaTypeUnsupported,
    Problem,
    TooLarge,
    TooSlow,
    UrlTooLong,
)
from polyagent.adapters.http.front.errors import JSON, answer_of, status_of
from polyagent.adapters.http.front.wire import ErrorAnswer
from polyagent.adapters.http.openapi.headers import always, referring
from polyagent.adapters.http.openapi.operation import Operation
from polyagent.adapters.http.openapi.tidy import SCHEMAS
from polyagent.adapters.http.rates import SAFE
from polyagent.domain.account import OF_ANY_KEY, PERMISSIONS
from polyagent.domain.errors import (
    CursorInvalid,
    Forbidden,
    IdempotencyKeyReused,
    InProgress,
    Invalid,
    Limited,
    NotFound,
    Overloaded,
    PolyAgentError,
    PreconditionFailed,
    ScopeMissing,
    StoreUnavailable,
    TokenExpired,
    Unauthenticated,
    Unavailable,
)

Kinds = Iterator[type[PolyAgentError]]
Said = dict[str, Any]

EXAMPLES = "#/components/examples/"
FRONTED = "openai_"
SOME_ID = "01990000-0000-7000-8000-000000000000"


def refusals(operation: Operation) -> dict[str, Said]:
    """Return the responses that are errors, by status."""
    codes: defaultdict[int, list[str]] = defaultdict(list)
    for code in dict.fromkeys(kind.code for kind in _kinds(operation)):
        status = entry(code).status
        codes[status_of(code, status) if operation.is_fronted else status].append(code)
    found = {str(s): _response(operation, s, codes[s]) for s in sorted(codes)}
    return {**found, "default": _response(operation, 500, ["internal_error"])}


def examples() -> dict[str, Said]:
    """Return an example of each code as an answer, in both shapes."""
    return {
        **{code: _example(code, _problem(code)) for code in CATALOGUE},
        **{FRONTED + code: _example(code, _front_answer(code)) for code in CATALOGUE},
    }


def _kinds(operation: Operation) -> Kinds:
    yield from _of_the_edge(operation)
    yield from _of_the_door(operation)
    yield from _of_the_request(operation)
    yield from operation.handler.opt.get("fails", ())


def _of_the_edge(operation: Operation) -> Kinds:
    yield from (Invalid, UrlTooLong, HeadersTooLarge)
    if operation.path not in HEALTH:
        yield from (HostRefused, Limited)
    if operation.path not in ALWAYS:
        yield Overloaded
    if operation.method not in SAFE:
        yield Forbidden


def _of_the_door(operation: Operation) -> Kinds:
    permission = operation.permission
    if permission == "public":
        return
    yield from (Unauthenticated, TokenExpired, StoreUnavailable, Unavailable)
    if not all(permission in role for role in PERMISSIONS.values()):
        yield Forbidden
    if permission not in OF_ANY_KEY:
        yield ScopeMissing


def _of_the_request(operation: Operation) -> Kinds:
    takes = operation.takes
    if "{" in operation.path:
        yield NotFound
    if "requestBody" in operation.said:
        yield from (TooSlow, TooLarge, MediaTypeUnsupported)
    if takes & {"cursor", "Last-Event-ID"}:
        yield CursorInvalid
    if "If-Match" in takes:
        yield PreconditionFailed
    if "Idempotency-Key" in takes:
        yield IdempotencyKeyReused
    if operation.answers_once:
        yield InProgress


def _response(operation: Operation, status: int, codes: list[str]) -> Said:
    kind: type[Any] = ErrorAnswer if operation.is_fronted else Problem
    prefix = FRONTED if operation.is_fronted else ""
    return {
        "description": ", ".join(f"`{code}`" for code in codes),
        "headers": referring(_headers(operation, status, codes)),
        "content": {
            JSON if operation.is_fronted else PROBLEM: {
                "schema": {"$ref": f"{SCHEMAS}{kind.__name__}"},
                "examples": {code: {"$ref": EXAMPLES + prefix + code} for code in codes},
            }
        },
    }


def _headers(operation: Operation, status: int, codes: list[str]) -> list[str]:
    names = always(operation.path)
    if status in (429, 503) or codes == [InProgress.code]:
        names.append("Retry-After")
    if status == 401:
        names.append("WWW-Authenticate")
    if operation.is_fronted:
        names += ["X-Run-ID", "X-Should-Retry"]
    return names


def _example(code: str, value: Any) -> Said:
    return {"summary": entry(code).advice, "value": msgspec.to_builtins(value)}


def _problem(code: str) -> Problem:
    return Problem(
        type=f"/problems/{code}",
        title=title(code),
        status=entry(code).status,
        detail=entry(code).advice,
        instance="/api/v1/chat",
        code=code,
        request_id=SOME_ID,
    )


def _front_answer(code: str) -> ErrorAnswer:
    return answer_of(code, entry(code).advice, entry(code).status)
