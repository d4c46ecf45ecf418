"""What of a conversation is summarised when it outgrows the model's window."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from polyagent.domain.chat import ImagePart, Message, TextPart
from polyagent.domain.compaction import (
    MOST_BYTES,
    MOST_MESSAGES,
    compaction,
    fits,
    summary_tokens,
    transcript,
)
from polyagent.domain.context import Conversation, cost_of, estimate_tokens
from polyagent.domain.ids import new_id
from polyagent.domain.tool import ToolCall

AT = datetime(2026, 1, 1, tzinfo=UTC)
BUDGET = 1000
RESULTS = BUDGET // 2


def said(role: str, text: str, run_id: object, calls: tuple[ToolCall, ...] = ()) -> Message:
    return Message(
        id=new_id(),
        session_id=None,
        run_id=run_id,  # type: ignore[arg-type]  # an id
        role=role,  # type: ignore[arg-type]  # tests name roles as they come
        content=text,
        parts=(TextPart(text),),
        tool_calls=calls,
        created_at=AT,
    )


def turn(size: int) -> tuple[Message, ...]:
    run_id = new_id()
    return (said("user", "q" * size, run_id), said("assistant", "a" * size, run_id))


def request(size: int = 4, *steps: int) -> tuple[Message, ...]:
    """Return a run's request and steps, each with a call whose result has that size."""
    run_id = new_id()
    calls = [
        ToolCall(id=f"c{n}", name="t", arguments={}, state="done", result="r" * step)
        for n, step in enumerate(steps)
    ]
    done = (said("assistant", "see", run_id, (call,)) for call in calls)
    return (said("user", "q" * size, run_id), *done)


def history(*sizes: int) -> tuple[Message, ...]:
    return tuple(message for size in sizes for message in turn(size))


def test_a_conversation_that_fits_stays_as_it_is() -> None:
    assert fits(Conversation(history=history(100, 100), steps=request()), BUDGET, RESULTS)


def test_one_that_does_not_loses_its_oldest_turns_and_keeps_the_newest_whole() -> None:
    talk = Conversation(history=history(*[400] * 8), steps=request())

    plan = compaction(talk, BUDGET, RESULTS)

    assert not fits(talk, BUDGET, RESULTS)
    assert plan is not None
    assert (*plan.covered, *plan.history) == talk.history
    assert plan.history[0].role == "user"
    assert plan.steps == talk.steps


@given(
    st.lists(st.integers(0, 3000), max_size=12),
    st.integers(0, 400),
    st.lists(st.integers(0, 9000), max_size=8),
)
def test_what_is_left_fits_and_nothing_is_lost(
    turns: list[int], asked: int, steps: list[int]
) -> None:
    talk = Conversation(history=history(*turns), steps=request(asked, *steps))

    plan = compaction(talk, BUDGET, RESULTS)

    if plan is None:
        assert not talk.history or fits(talk, BUDGET, RESULTS)
        return
    everything = (*talk.history, *talk.steps)
    assert [m for m in everything if m in plan.covered] == list(plan.covered)
    left = (*plan.history, *plan.steps)
    assert len(plan.covered) + len(left) == len(everything)
    assert plan.steps[0] == talk.steps[0]
    assert plan.steps[-1] == talk.steps[-1]
    cost = cost_of(Conversation(history=plan.history, steps=plan.steps), result_tokens=RESULTS)
    assert cost + summary_tokens(BUDGET) <= BUDGET


def test_a_long_run_summarises_its_own_steps_but_neither_its_request_nor_the_last() -> None:
    talk = Conversation(history=history(100), steps=request(4, *[900] * 6))

    plan = compaction(talk, BUDGET, RESULTS)

    assert plan is not None
    assert plan.covered == (*talk.history, *talk.steps[1 : 1 + len(plan.covered) - 2])
    assert plan.told == (*talk.history, talk.steps[0], *plan.covered[2:])
    assert plan.steps[0] == talk.steps[0]
    assert plan.steps[-1] == talk.steps[-1]


def test_many_short_messages_are_too_much_for_the_store() -> None:
    talk = Conversation(history=history(*[1] * (MOST_MESSAGES // 2 + 1)), steps=request())

    plan = compaction(talk, 1_000_000, RESULTS)

    assert not fits(talk, 1_000_000, RESULTS)
    assert plan is not None
    assert len(plan.history) == MOST_MESSAGES // 2


def test_large_images_are_too_much_for_the_store() -> None:
    run_id = new_id()
    image = ImagePart(data="A" * (MOST_BYTES // 3), media_type="image/png")
    seen = tuple(
        Message(
            id=new_id(),
            session_id=None,
            run_id=run_id,
            role="user",
            content="",
            parts=(image,),
            created_at=AT,
        )
        for _ in range(4)
    )
    talk = Conversation(history=seen, steps=request())

    assert not fits(talk, 1_000_000, RESULTS)
    assert compaction(talk, 1_000_000, RESULTS) is not None


def test_a_request_alone_leaves_nothing_to_summarise() -> None:
    assert compaction(Conversation(steps=request(90_000)), BUDGET, RESULTS) is None


def test_a_transcript_keeps_short_pieces_whole_and_cuts_the_longest() -> None:
    run_id = new_id()
    call = ToolCall(id="c", name="look", arguments={"q": 1}, state="done", result="r" * 50_000)
    covered = [
        said("user", "My name is Ada.", run_id),
        said("assistant", "Let me see.", run_id, (call,)),
    ]

    text = transcript(said("system", "They met.", run_id), covered, 500)

    assert "They met." in text
    assert "User: My name is Ada." in text
    assert 'Tool look({"q":1}) gave: {"result":"rrr' in text
    assert "characters left out" in text
    assert estimate_tokens(text) < 600


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=20), st.integers(20, 3000))
def test_a_transcript_is_as_short_as_it_must_be(sizes: list[int], tokens: int) -> None:
    covered = [said("user", "q" * size, new_id()) for size in sizes]

    text = transcript(None, covered, tokens)

    spent = estimate_tokens(text)
    assert spent <= tokens + 20 * len(sizes)
    if sum(estimate_tokens(m.content) + 4 for m in covered) <= tokens:
        assert "left out" not in text
