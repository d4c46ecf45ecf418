"""What a chat request says in its headers: how long to wait, under which key, after which event."""

import re

import msgspec

from polyagent.adapters.http.asks.keys import idempotency_key
from polyagent.domain.chat import Ask
from polyagent.domain.errors import CursorInvalid
from polyagent.domain.run import IdempotencyKey

_WAIT = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?([0-9]+)"?\s*(?:$|[,;])', re.IGNORECASE)
_CURSOR = re.compile(r"[0-9]{1,18}", re.ASCII)


def patience_s(prefer: str | None, at_most_s: float) -> float:
    """Return how long to wait: what `Prefer: wait` says, or what the server would at most.

    https://www.rfc-editor.org/rfc/rfc7240#section-4.3
    """
    match = _WAIT.search(prefer or "")
    if match is None:
        return at_most_s
    return min(float(match.group(1)[:18]), at_most_s)


def chat_key(header: str | None, ask: Ask) -> IdempotencyKey | None:
    """Read the key of a run; how the answer is delivered is no part of what is asked."""
    asked = msgspec.structs.replace(ask, stream=None, background=False)
    return idempotency_key(header, route="chat", asked=asked, end_user=ask.end_user)


def cursor(last_event_id: str | None, after: str | None) -> int:
    """Return the event to go on from: an EventSource that reconnects repeats its query, so the header wins.

    Raises `CursorInvalid`.
    """
    text = last_event_id if last_event_id is not None else after
    if text is None:
        return 0
    if not _CURSOR.fullmatch(text):
        raise CursorInvalid("The id of an event has 1 to 18 digits.")
    return int(text)
