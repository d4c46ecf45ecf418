"""What can go wrong with a service, in the terms of the domain."""

import math
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import aiohttp
import httpx
import msgspec

from polyagent.domain.errors import (
    ContextExceeded,
    ModelServiceRefused,
    ModelServiceUnavailable,
    ModelUnknown,
    PolyAgentError,
    ToolsRefused,
)
from polyagent.domain.instant import retry_after_s as told_retry_after_s
from polyagent.domain.text import clean

EXCERPT_CHARACTERS = 200
BUSY = frozenset({408, 425, 429})
ABOUT_INPUT = frozenset({400, 413, 422})
FIRST_PAUSE_S = 0.25
LAST_PAUSE_S = 8.0
MAX_RETRY_AFTER_S = 10.0


class Silent(ModelServiceUnavailable):
    """It could not be reached, or did not answer in time: what the circuit breaker counts."""


class Busy(ModelServiceUnavailable):
    """It said itself when to come again: in `retry_after_s`."""


class InputRefused(ModelServiceRefused):
    """It does not take what it was told (400, 413, 422): another text may do."""


class Full(ModelServiceUnavailable):
    """We have as many calls there as we may: none of them ended in time to make a place."""


def pause_s(retries: int, error: ModelServiceUnavailable) -> float:
    """Return how long to wait before a retry: as long as the service says, else longer each time, with full jitter."""
    if isinstance(error, Busy):
        return error.retry_after_s
    most = min(LAST_PAUSE_S, FIRST_PAUSE_S * 2 ** (retries - 1))
    return random.uniform(0, most)  # noqa: S311  # jitter, no secret


WIRE_ERRORS = (TimeoutError, httpx.TransportError, aiohttp.ClientError, OSError)


@contextmanager
def wire_errors() -> Iterator[None]:
    """Name what the HTTP client raises."""
    try:
        yield
    except WIRE_ERRORS as error:
        raise named(error) from error


def named(error: Exception) -> ModelServiceUnavailable:
    """Say what one of `WIRE_ERRORS` means; its cause tells more than its type, which takes a reset for a timeout."""
    cause = error if isinstance(error, TimeoutError) else error.__cause__ or error
    if isinstance(cause, aiohttp.ClientSSLError):
        return Silent("TLS with the model service failed: is its certificate trusted?")
    if isinstance(cause, aiohttp.ClientConnectorError):
        return Silent("The model service could not be reached.")
    if isinstance(cause, TimeoutError):
        return Silent("The model service did not answer in time.")
    return ModelServiceUnavailable("The connection to the model service broke.")


def failure_of(
    status: int | None,
    body: bytes,
    *,
    told_tools: bool = False,
    retry_after_s: float | None = None,
) -> PolyAgentError:
    """Return what an error answer means; `status` None: it came inside of a stream and may name its own.

    What the service says is no part of the detail, which clients see: it is a note of the error
    (`said`), for the operator's log.
    """
    text = body.decode("utf-8", "replace")
    error = _error(text)
    code = status or _number(error.get("code")) or 502
    failure = _meaning(code, text, told_tools=told_tools, retry_after_s=retry_after_s)
    if excerpt := _excerpt(error):
        failure.add_note(excerpt)
    return failure


def said(error: BaseException) -> str | None:
    """Return a short excerpt of what the service said, without addresses and what looks like a key."""
    return next(iter(getattr(error, "__notes__", ())), None)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how long a service asks us to wait, in milliseconds, in seconds or until a date.

    https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    if finely := headers.get("retry-after-ms"):
        with suppress(ValueError):
            milliseconds = float(finely)
            return max(0.0, milliseconds / 1000) if math.isfinite(milliseconds) else None
    return told_retry_after_s(headers.get("retry-after", "").strip(), now)


def _meaning(
    code: int, text: str, *, told_tools: bool, retry_after_s: float | None
) -> PolyAgentError:
    if _CONTEXT.search(text) and code not in BUSY:
        return ContextExceeded("The prompt is too long for the model.", window_tokens=_window(text))
    if 300 <= code < 400:
        return ModelServiceRefused("The model service redirects: set its url to where it leads.")
    if 400 <= code < 500 and code not in BUSY:
        return _refusal(code, text, told_tools=told_tools)
    detail = f"The model service answered {code}."
    if retry_after_s is not None:
        return Busy(detail, retry_after_s=retry_after_s)
    return ModelServiceUnavailable(detail)


def _refusal(code: int, text: str, *, told_tools: bool) -> ModelServiceRefused | ModelUnknown:
    if code in (401, 403):
        return ModelServiceRefused(f"The model service refuses the key ({code}).")
    if told_tools and _NO_TOOLS.search(text) and not _BESIDE_TOOLS.search(text):
        return ToolsRefused("The model takes no tools.")
    if _MODEL.search(text) and (code == 404 or _ABSENT.search(text)):
        return ModelUnknown("The model service does not know this model.")
    refused = InputRefused if code in ABOUT_INPUT else ModelServiceRefused
    return refused(
        f"The model service refuses the request ({code}); the server's log has its reason, with log.bodies."
    )


_CONTEXT = re.compile(
    r"exceed_context_size|context_length_exceeded|maximum context length|prompt is too long"
    r"|exceeds? the (?:available |model's |maximum )?context",
    re.IGNORECASE,
)
_WINDOW = re.compile(
    r'"n_ctx"\s*:\s*(\d{3,9})|context (?:length|window|size)[^\d]{0,40}(\d[\d,]{2,11})',
    re.IGNORECASE,
)
_TOOLS = r"(?<!\d )\b(?:tools|tool[ -](?:use|usage|calls?|calling)|function[ _-]?call(?:s|ing))\b"
_NO_TOOLS = re.compile(
    rf"(?:(?:not|n't) support|unsupported|unknown|unrecognized)[^.{{}}]{{0,40}}{_TOOLS}(?!\W{{0,3}}\d)"
    rf"|{_TOOLS}[^.{{}}\d]{{0,40}}(?:not (?:supported|permitted|allowed|enabled|available)|unsupported"
    r"|unavailable|disabled|requires --)"
    r"|\bauto\W{1,4}tool choice requires --|no endpoints found that support tool use",
    re.IGNORECASE,
)
_BESIDE_TOOLS = re.compile(
    r"tool_choice|tool_calls|reasoning[_ ]effort|thinking mode|response[_ ](?:format|mime)"
    r"|(?:with|when|while|in|and) (?:images?|reasoning|thinking)\b",
    re.IGNORECASE,
)
_MODEL = re.compile(r"\bmodel\b|model_not_found", re.IGNORECASE)
_ABSENT = re.compile(
    r"model_not_found|not found|does not exist|unknown model|no such model", re.IGNORECASE
)
_SECRET = re.compile(
    r"\b[a-z][a-z0-9+.-]*://\S+"  # addresses
    r"|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"
    r"|(?<![\w.])/[\w.-]+/[\w./-]+"  # paths
    r"|\bBearer\s+\S+|\b(?:sk|pk|rk|gsk|key|xai|pa)[-_]\S{6,}|\b(?=[a-z]*\d)\w{28,}",  # keys
    re.IGNORECASE,
)
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")


def _window(text: str) -> int | None:
    found = _WINDOW.search(text)
    return int((found[1] or found[2]).replace(",", "")) if found else None


def _error(text: str) -> dict[str, Any]:
    """Return the error object of a body, wherever it keeps it; nothing for a web page."""
    try:
        body = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {}
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return {}
    error = body.get("error") or body
    return error if isinstance(error, dict) else {"message": error}


def _excerpt(error: dict[str, Any]) -> str:
    message = error.get("message") or error.get("detail")
    if not isinstance(message, str):
        return ""
    seen = _UNSEEN.sub(" ", clean(message[:10_000])).strip()
    return _SECRET.sub("[...]", seen)[:EXCERPT_CHARACTERS]


def _number(value: Any) -> int | None:
    """Return an HTTP status that an error object names."""
    if isinstance(value, str) and value.isdecimal():
        value = int(value[:4])
    return value if isinstance(value, int) and 400 <= value <= 599 else None
