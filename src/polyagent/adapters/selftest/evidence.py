"""What a drill saw, before anybody judges it."""

from typing import Any

import msgspec

from polyagent.adapters.selftest.ledger import Entry


class ReaderLog(msgspec.Struct, kw_only=True):
    """`seen` are the ids and types of every event in the order in which they came."""

    seen: list[tuple[int, str]] = []
    reconnects: int = 0
    refused: str | None = None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`journal` is what the server tells of the run in the end; empty: it was not accepted, or never ended."""

    run_id: str | None
    journal: list[dict[str, Any]]
    readers: list[ReaderLog]


class Kill(msgspec.Struct, frozen=True, kw_only=True):
    """`caught` are the executions that had begun and not ended when the process was dead."""

    server: str
    caught: list[Entry]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """`ledger` is in the order of writing; `told` is what the model heard of each tool call, by its id."""

    runs: list[RunRecord]
    kills: list[Kill]
    ledger: list[Entry]
    told: dict[str, str]
    takeovers_s: list[float]
