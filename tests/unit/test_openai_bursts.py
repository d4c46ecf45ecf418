"""Many events in one read."""

import json

import pytest

from polyagent.adapters.openai.reading.answer import Answer
from polyagent.adapters.openai.reading.sse import Event
from polyagent.adapters.openai.reading.stream import BURST, told
from polyagent.domain.errors import ModelServiceUnavailable
from polyagent.domain.model import ModelDelta, Prompt, TextDelta, ThoughtDelta

FAILURE = Event(b"error", b'{"error": {"message": "gone", "code": 502}}')


def said(text: str, field: str = "content") -> Event:
    return Event(b"", json.dumps({"choices": [{"index": 0, "delta": {field: text}}]}).encode())


def heard(events: list[Event]) -> list[ModelDelta]:
    return list(told(events, Answer(Prompt(messages=()), "scripted", {})))


def test_few_words_are_told_one_by_one() -> None:
    assert heard([said("a"), said("b")]) == [TextDelta("a"), TextDelta("b")]


def test_the_words_of_a_burst_are_told_at_once_and_keep_their_place() -> None:
    words = [said("a")] * BURST
    thought = said("hm", "reasoning_content")

    deltas = heard([*words, thought, thought, *words])

    text = TextDelta("a" * BURST)
    assert deltas == [text, ThoughtDelta("hm"), ThoughtDelta("hm"), text]


def test_what_was_said_before_a_failure_is_told_before_it() -> None:
    deltas = told([said("a")] * BURST + [FAILURE], Answer(Prompt(messages=()), "scripted", {}))

    assert next(deltas) == TextDelta("a" * BURST)
    with pytest.raises(ModelServiceUnavailable, match="gone"):
        next(deltas)
