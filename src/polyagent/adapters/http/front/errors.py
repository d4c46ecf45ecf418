"""Errors as clients of the OpenAI protocol know them.

https://platform.openai.com/docs/guides/error-codes
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, Response

from polyagent.adapters.http.errors import PROBLEM, Problem
from polyagent.adapters.http.front.wire import ErrorAnswer, ErrorDetails
from polyagent.domain.errors import ModelUnknown

PREFIX = "/v1/"
JSON = "application/json"

_CODES = {
    "unauthenticated": "invalid_api_key",
    "bad_credentials": "invalid_api_key",
    "token_expired": "invalid_api_key",
    "model_unknown": "model_not_found",
    "context_exceeded": "context_length_exceeded",
    "rate_limited": "rate_limit_exceeded",
}
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_STEP = re.compile(r"/([^/]*)")

Handler = Callable[[Request[Any, Any, Any], Any], Response[Any]]


def fronted(handler: Handler) -> Handler:
    """Have the problems that `handler` answers told in OpenAI's shape to those who ask below `PREFIX`."""

    def answered(request: Request[Any, Any, Any], error: Any) -> Response[Any]:
        response = handler(request, error)
        body, media_type = shaped(response.content)
        if isinstance(body, Problem):
            return response
        status = status_of(response.content.code, response.content.status)
        headers = _headers(dict(response.headers), response.content, status)
        return Response(body, status_code=status, media_type=media_type, headers=headers)

    return answered


def shaped(problem: Problem) -> tuple[Problem | ErrorAnswer, str]:
    """Return what to say of a problem, and its media type."""
    if not f"{problem.instance}/".startswith(PREFIX):
        return problem, PROBLEM
    fault = problem.errors[0] if problem.errors else None
    param = _param(fault.pointer) if fault else None
    detail = f"{param}: {fault.detail}" if fault and param else problem.detail
    return answer_of(problem.code, detail, problem.status, param), JSON


def answer_of(code: str, detail: str, status: int, param: str | None = None) -> ErrorAnswer:
    status = status_of(code, status)
    kind = _TYPES.get(status) or ("invalid_request_error" if status < 500 else "server_error")
    told = _CODES.get(code, code)
    return ErrorAnswer(error=ErrorDetails(message=detail, type=kind, param=param, code=told))


def status_of(code: str, status: int) -> int:
    """Return the status here of a code: these clients repeat a 409 by themselves, and know no 422."""
    if code == ModelUnknown.code:
        return 404
    return 400 if status in (409, 422) else status


def _headers(given: dict[str, str], problem: Problem, status: int) -> dict[str, str]:
    """Official clients obey `x-should-retry`: a defect is none that a second try mends."""
    if status not in (429, 503):
        given.pop("Retry-After", None)
    if problem.run_id is not msgspec.UNSET:
        given["X-Run-ID"] = str(problem.run_id)
    return given | ({"X-Should-Retry": "false"} if status == 500 else {})


def _param(pointer: str) -> str | None:
    """Return `#/messages/0/content` as `messages[0].content`."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in _STEP.findall(pointer)]
    return "".join(f"[{s}]" if s.isdecimal() else f".{s}" for s in steps).removeprefix(".") or None
