"""The ledger of a drill: written and read by several processes."""

import os
from pathlib import Path

import msgspec
import pytest

from polyagent.adapters.selftest.ledger import Entry, Ledger
from polyagent.adapters.selftest.tools import LedgerTools
from polyagent.domain.errors import ToolUnknown
from polyagent.domain.ids import new_id
from polyagent.domain.tool import CallContext

CONTEXT = CallContext(
    workspace_id=new_id(), user_id=new_id(), run_id=new_id(), idempotency_key="k", attempt=2
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


async def test_an_execution_leaves_two_lines_and_its_name_as_the_result(path: Path) -> None:
    tools = LedgerTools(Ledger(path))

    result = await tools.call("selftest_once", {"label": "0.1.0", "hold_ms": 0}, CONTEXT)

    begun, ended = Ledger(path).entries()
    assert (begun.phase, ended.phase) == ("begun", "ended")
    assert (begun.label, begun.effect, begun.key) == ("0.1.0", "once", "k")
    assert begun.process == os.getpgrp()
    assert result.result == {"execution": str(begun.execution)}


def test_what_began_and_did_not_end_is_open(path: Path) -> None:
    reading, writing = Ledger(path), Ledger(path)
    first, second = _begun(process=1), _begun(process=2)

    for entry in (first, second, msgspec.structs.replace(second, phase="ended")):
        writing.write(entry)

    assert reading.open_in(1) == [first]
    assert reading.open_in(2) == []


def test_a_line_that_is_not_whole_waits_for_its_end(path: Path) -> None:
    entry = _begun(process=1)
    line = msgspec.json.encode(entry) + b"\n"
    reading = Ledger(path)

    path.write_bytes(line + line[:20])
    assert len(reading.entries()) == 1

    path.write_bytes(line + line)
    assert reading.entries() == [entry, entry]


def test_the_tools_have_an_effect_each() -> None:
    tools = LedgerTools(Ledger(Path("unused")))

    assert {tool.name: tool.effect for tool in tools.list()} == {
        "selftest_read": "read",
        "selftest_write": "write",
        "selftest_once": "once",
    }
    with pytest.raises(ToolUnknown):
        tools.get("calculator")


def _begun(*, process: int) -> Entry:
    return Entry(
        phase="begun",
        label="l",
        effect="read",
        run_id=None,
        key="k",
        execution=new_id(),
        process=process,
    )
