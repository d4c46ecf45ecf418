"""What becomes of a session that outgrows its model's window: prompts, prefix hits, what is remembered."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

import httpx
import msgspec

from bench.process import free_port
from bench.stage import Stage
from bench.subjects.remembering_model import WINDOW, WORD, Seen
from bench.table import show

TURNS = 200
EACH = 50
PLANTED = f"Remember that the word is {WORD}. "
FILLER = "The weather was fair and nothing of importance happened on that day. " * 6
COLUMNS = (
    "turns", "prompt p50, tokens", "largest", "of them seen before", "summaries", "word known",
    "turn p50 ms",
)  # fmt: skip


def run(here: Stage) -> None:
    turns = EACH if here.quick else TURNS
    with _model(here) as (url, client), here.gateway(model_url=url) as gateway:
        with here.client(gateway) as chats:
            took_ms = [*_talk(chats, turns)]
        seen = msgspec.json.decode(client.get("/seen").content, type=list[Seen])
    rows = [_row(part, seen, took_ms) for part in range(0, turns, EACH)]
    show(f"One session of {turns} turns, a window of {WINDOW} tokens", COLUMNS, rows)


@contextmanager
def _model(here: Stage) -> Iterator[tuple[str, httpx.Client]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with here.subject("remembering_model", port) as process:
        process.await_ready(f"{url}/v1/models")
        with httpx.Client(base_url=url, trust_env=False) as client:
            yield url, client


def _talk(chats: httpx.Client, turns: int) -> Iterator[float]:
    session: dict[str, str] = {}
    for turn in range(turns):
        said = (PLANTED if turn == 0 else "") + f"Day {turn}. {FILLER}What is the word?"
        answer = chats.post("/api/v1/chat", json={"message": said, **session})
        answer.raise_for_status()
        if answer.json()["status"] != "completed":
            raise RuntimeError(answer.text)
        session = {"session_id": answer.json()["session_id"]}
        yield answer.elapsed.total_seconds() * 1000


def _row(begin: int, seen: Sequence[Seen], took_ms: Sequence[float]) -> tuple[str | float, ...]:
    mine = [*_turns(seen, begin, begin + EACH)]
    asked = [request for request in mine if not request.is_summary]
    share = sum(request.cached for request in asked) / sum(request.tokens for request in asked)
    return (
        f"{begin + 1} to {begin + len(asked)}",
        median(request.tokens for request in asked),
        max(request.tokens for request in mine),
        f"{share:.0%}",
        len(mine) - len(asked),
        f"{sum(request.recalls for request in asked)} of {len(asked)}",
        median(took_ms[begin : begin + EACH]),
    )


def _turns(seen: Sequence[Seen], begin: int, end: int) -> Iterator[Seen]:
    turn = 0
    for request in seen:
        if begin <= turn < end:
            yield request
        turn += not request.is_summary
