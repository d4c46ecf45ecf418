"""What strict providers refuse of a conversation."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any


def complaints(messages: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Return what is wrong with the messages of a request."""
    seen: set[str] = set()
    open_ids: list[str] = []
    for n, message in enumerate(messages):
        role, calls = message.get("role"), message.get("tool_calls") or []
        if n == 1 and role == messages[0].get("role") == "system":
            yield f"messages[{n}]: a second system message"
        if role == "tool":
            if message.get("tool_call_id") not in open_ids:
                yield f"messages[{n}]: a tool message without a call before it"
            else:
                open_ids.remove(message["tool_call_id"])
        elif open_ids:
            yield f"messages[{n}]: tool_calls without an answer: {open_ids}"
            open_ids = []
        if message.get("content") is None and not calls:
            yield f"messages[{n}]: content is null"
        for call in calls:
            yield from _call_complaints(n, call, seen)
            seen.add(call["id"])
            open_ids.append(call["id"])
    if open_ids:
        yield f"the end: tool_calls without an answer: {open_ids}"


def _call_complaints(n: int, call: dict[str, Any], seen: set[str]) -> Iterator[str]:
    if call["id"] in seen:
        yield f"messages[{n}]: the id {call['id']} repeats"
    if not re.fullmatch("[A-Za-z0-9_-]{1,64}", call["function"].get("name") or ""):
        yield f"messages[{n}]: no function has such a name"
    arguments = call["function"].get("arguments")
    try:
        good = isinstance(arguments, str) and isinstance(json.loads(arguments), dict)
    except ValueError:
        good = False
    if not good:
        yield f"messages[{n}]: arguments are not the text of a JSON object"
