from typing import Any

import pytest

from polyagent.adapters.cli.chat.sse import events
from polyagent.adapters.cli.chat.transcript import Transcript
from polyagent.adapters.cli.exits import Failed


class Page:
    """What a person sees: the answer, and the notes beside it."""

    def __init__(self, *, live: bool = True, verbose: bool = False) -> None:
        self.live = live
        self.answer = ""
        self.notes: list[str] = []
        self.waits = 0
        self.transcript = Transcript(self, verbose=verbose)

    def show(self, *shown: dict[str, Any]) -> None:
        for event in shown:
            self.transcript.show(event)

    def wait(self) -> None:
        self.waits += 1

    def write(self, text: str) -> None:
        self.answer += text

    def finish(self) -> None:
        if self.answer and not self.answer.endswith("\n"):
            self.answer += "\n"

    def add(self, line: str) -> None:
        self.answer += f"{line}\n"

    def note(self, text: str) -> None:
        self.notes.append(text)


def delta(text: str) -> dict[str, Any]:
    return {"type": "message.delta", "step": 1, "part": 0, "text": text}


def completed(text: str) -> dict[str, Any]:
    return {"type": "message.completed", "step": 1, "message": {"content": text}}


RESUMED = {"type": "run.resumed", "attempt": 2, "reason": "takeover", "discard_step": 1}


def test_the_answer_appears_as_it_comes() -> None:
    page = Page()

    page.show(delta("Hel"), delta("lo"))
    assert page.answer == "Hello"

    page.show(completed("Hello"))
    assert page.answer == "Hello\n"


def test_what_was_missed_is_filled_in_at_the_end_of_a_message() -> None:
    page = Page()

    page.show(delta("Hel"), completed("Hello"))

    assert page.answer == "Hello\n"


def test_text_that_turned_out_void_is_followed_by_the_true_one() -> None:
    page = Page()

    page.show(delta("Hal"), RESUMED, delta("Hello"), completed("Hello"))

    assert page.answer == "Hal\nHello\n"
    assert page.notes == ["the run goes on (takeover); an unfinished message begins anew"]


def test_a_hole_in_the_middle_is_mended() -> None:
    page = Page()

    page.show(delta("one "), delta("three"), completed("one two three"))

    assert page.answer == "one three\none two three\n"


def test_into_a_pipe_goes_only_what_is_final() -> None:
    page = Page(live=False)

    page.show(delta("Hal"), RESUMED, delta("Hel"), completed("Hello"))

    assert page.answer == "Hello\n"


def test_tools_are_noted_beside_the_answer() -> None:
    page = Page()

    page.show(
        {"type": "run.queued", "position": 2},
        {"type": "tool.called", "name": "calculator", "arguments": {"expression": "1+1"}},
        {"type": "tool.completed", "state": "done", "result": 2},
        {"type": "tool.called", "name": "calculator", "arguments": "x" * 500},
        {"type": "tool.completed", "state": "failed", "error": "no expression"},
    )

    assert page.answer == ""
    assert page.notes[0] == "waiting at position 2"
    assert page.notes[1] == 'calculator {"expression":"1+1"}'
    assert len(page.notes[2]) < 150
    assert page.notes[3] == "failed: no expression"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            {
                "type": "run.failed",
                "code": "limit_reached",
                "detail": "20 steps",
                "retryable": False,
            },
            "20 steps (limit_reached)",
        ),
        ({"type": "run.cancelled", "reason": "asked"}, "The run was cancelled."),
    ],
)
def test_a_run_that_does_not_complete_is_a_failure(event: dict[str, Any], said: str) -> None:
    page = Page()
    page.show(delta("Hel"))

    with pytest.raises(Failed) as caught:
        page.show(event)

    assert caught.value.detail == said
    assert page.answer == "Hel\n"


def test_a_model_cannot_steer_the_terminal() -> None:
    page = Page()

    page.show(delta("a\x1b[2Jb\x9bc\r\td\n"))

    assert page.answer == "a[2Jbc\td\n"


def test_what_happens_in_child_runs_is_left_out() -> None:
    page = Page()

    page.show({**delta("Hel"), "path": ["r2"]}, {"type": "run.failed", "path": ["r2"]})

    assert page.answer == ""


def test_thinking_is_said_once_a_message() -> None:
    page = Page()
    thought = {"type": "reasoning.delta", "step": 1, "text": "Hm"}

    page.show(thought, thought, delta("a"), completed("a"), thought)

    assert page.notes == ["it thinks", "it thinks"]


def test_the_verbose_are_told_what_it_took() -> None:
    page, quiet = Page(verbose=True), Page()
    usage = {"input_tokens": 12, "output_tokens": 30}
    told: list[dict[str, Any]] = [
        {"type": "usage", "step": 1, "model": "big", "usage": usage},
        {"type": "run.completed", "run_id": "r1", "message_id": None, "usage": usage},
    ]

    page.show(*told)
    quiet.show(*told)

    (note,) = page.notes
    assert note.endswith(" s, 12 + 30 tokens, big, run r1")
    assert quiet.notes == []


def test_events_are_read_however_their_bytes_are_cut() -> None:
    stream = (
        ': ping\n\nid: 1\nevent: a\ndata: {"n": 1, "t": "é\u2028😀"}\n\n'
        'retry: 1000\n\ndata: {"n":\r\ndata: 2}\r\n\r\ndata: {"n": 3}\n'
    ).encode()

    for size in range(1, len(stream)):
        chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
        assert list(events(chunks)) == [{"n": 1, "t": "é\u2028😀"}, {"n": 2}]
