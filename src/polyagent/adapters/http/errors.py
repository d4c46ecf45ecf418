"""Errors as clients see them: RFC 9457 problems. Status codes are known here and in the catalogue alone.

https://www.rfc-editor.org/rfc/rfc9457
"""

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from polyagent.adapters.http.catalogue import entry, title
from polyagent.domain.errors import (
    BadCredentials,
    Fault,
    InProgress,
    Invalid,
    Limited,
    NotFound,
    PolyAgentError,
    Unauthenticated,
    Unavailable,
)

PROBLEM = "application/problem+json"
INTERNAL = "internal_error"

log = structlog.get_logger("polyagent.http")


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """`type` leads to a page about `code`; `errors` points into the body that was sent."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: tuple[Fault, ...] | None = None
    run_id: UUID | msgspec.UnsetType = msgspec.UNSET


class MethodNotAllowed(PolyAgentError):
    code = "method_not_allowed"


class NotAcceptable(PolyAgentError):
    code = "not_acceptable"


class TooSlow(PolyAgentError):
    code = "request_timeout"


class TooLarge(PolyAgentError):
    code = "too_large"


class MediaTypeUnsupported(PolyAgentError):
    code = "unsupported_media_type"


class HostRefused(PolyAgentError):
    code = "host_refused"


class UrlTooLong(PolyAgentError):
    code = "url_too_long"


class HeadersTooLarge(PolyAgentError):
    code = "headers_too_large"


class RunUnanswered(Unavailable):
    """A run failed before its model said a word."""

    def __init__(self, code: str, detail: str, run_id: UUID) -> None:
        super().__init__(detail)
        self.failed_as = code
        self.run_id = run_id


_OF_STATUS: dict[int, PolyAgentError] = {
    404: NotFound("There is nothing at this address."),
    405: MethodNotAllowed("This address does not take this method."),
    413: TooLarge("The body is larger than this address takes."),
}


def public(error: PolyAgentError) -> tuple[int, str, str]:
    """Return the status, code and detail that clients may see: nothing of a defect of ours."""
    code = error.failed_as if isinstance(error, RunUnanswered) else error.code
    status = entry(code).status
    if status == 500:
        return status, INTERNAL, "Something went wrong on the server."
    return status, code, error.detail


def problem_of(error: PolyAgentError, scope: Mapping[str, Any]) -> Problem:
    status, shown, detail = public(error)
    return Problem(
        type=f"/problems/{shown}",
        title=title(shown),
        status=status,
        detail=detail,
        instance=quote(scope["path"], errors="replace"),
        code=shown,
        request_id=scope["state"]["request_id"],
        errors=error.faults or None,
        run_id=error.run_id if isinstance(error, RunUnanswered) else msgspec.UNSET,
    )


def headers_of(error: PolyAgentError, scope: Mapping[str, Any]) -> dict[str, str]:
    if isinstance(error, Limited | Unavailable | InProgress):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    if isinstance(error, Unauthenticated):
        return {"WWW-Authenticate": _challenge(error, scope)}
    return {}


def _challenge(error: Unauthenticated, scope: Mapping[str, Any]) -> str:
    """https://www.rfc-editor.org/rfc/rfc6750#section-3"""
    given = any(name == b"authorization" for name, _ in scope["headers"])
    invalid = given and not isinstance(error, BadCredentials)
    return 'Bearer realm="polyagent"' + (', error="invalid_token"' if invalid else "")


def on_error(request: Request[Any, Any, Any], error: PolyAgentError) -> Response[Problem]:
    problem = problem_of(error, request.scope)
    if problem.status == 500:
        log.error("request.defect", code=error.code, exc_info=error)
    return Response(
        problem,
        status_code=problem.status,
        media_type=PROBLEM,
        headers=headers_of(error, request.scope),
    )


def on_framework_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    if error.status_code >= 500:
        return on_defect(request, error)
    response = on_error(request, _named(error))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def on_defect(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    log.error("request.defect", exc_info=error)
    problem = problem_of(PolyAgentError(""), request.scope)
    return Response(problem, status_code=problem.status, media_type=PROBLEM)


def _named(error: HTTPException) -> PolyAgentError:
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        return _misfit(error.extra)
    return _OF_STATUS.get(error.status_code) or Invalid("The request is malformed.")


def _misfit(found: list[dict[str, str]]) -> PolyAgentError:
    """Name parameters that are not what they must be; in a path, nothing can be at such an address."""
    if any(item.get("source") == "path" for item in found):
        return _OF_STATUS[404]
    if any(item.get("key") == "data" for item in found):
        return Invalid("The body is missing: send JSON.")
    said = [f"{item.get('key', 'parameter')}: {item['message']}" for item in found]
    return Invalid("; ".join(said))
