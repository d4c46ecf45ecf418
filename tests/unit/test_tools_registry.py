import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest

from polyagent.adapters.functions.function import Arguments, Function
from polyagent.adapters.functions.registry import FunctionTools
from polyagent.adapters.functions.results import MAX_DEPTH, TOO_DEEP, storable
from polyagent.domain.errors import ToolFailed, ToolUnknown
from polyagent.domain.tool import CallContext, ToolResult

CONTEXT = CallContext(
    workspace_id=UUID(int=1), user_id=UUID(int=2), run_id=None, idempotency_key="key"
)


class Line(msgspec.Struct):
    sku: str


class Order(Arguments, frozen=True):
    number: Annotated[int, msgspec.Meta(ge=1, description="As printed on the bill")]
    lines: tuple[Line, ...] = ()


async def order_status(order: Order, context: CallContext) -> Any:
    return {"number": order.number, "key": context.idempotency_key}


def toolbox(call: Any = order_status, **more: Any) -> FunctionTools:
    order = Function(name="order", description="Finds.", arguments=Order, call=call, **more)
    return FunctionTools([order], timeout_s=30, max_result_bytes=10_000)


async def test_an_operators_function_is_a_tool() -> None:
    tools = toolbox(effect="read")

    answer = await tools.call("order", {"number": 7}, CONTEXT)

    assert answer == ToolResult(state="done", result={"number": 7, "key": "key"})


def test_its_schema_has_its_object_at_the_root() -> None:
    described = toolbox().get("order")

    assert described.parameters["type"] == "object"
    assert described.parameters["additionalProperties"] is False
    assert described.parameters["properties"]["number"] == {
        "description": "As printed on the bill",
        "type": "integer",
        "minimum": 1,
    }
    assert set(described.parameters["$defs"]) == {"Line"}
    assert (described.effect, described.source) == ("once", "function")


def test_an_unknown_name_is_said_to_be_unknown() -> None:
    with pytest.raises(ToolUnknown, match="'nope'"):
        toolbox().get("nope")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "missing required field `number`"),
        ({"number": "7"}, "Expected `int`, got `str` - at `$.number`"),
        ({"number": 0}, ">= 1"),
        ({"number": 1, "numbre": 1}, "unknown field `numbre`"),
        ({"number": float("nan")}, "Expected `int`"),
    ],
)
async def test_arguments_that_do_not_fit_are_a_failure(
    arguments: dict[str, Any], reason: str
) -> None:
    answer = await toolbox().call("order", arguments, CONTEXT)

    assert answer.state == "failed"
    assert reason in (answer.error or "")


async def test_arguments_nested_without_end_are_a_failure() -> None:
    nested: dict[str, Any] = {}
    for _ in range(100_000):
        nested = {"number": nested}

    answer = await toolbox().call("order", nested, CONTEXT)

    assert answer.state == "failed"


async def test_a_function_that_takes_too_long_is_stopped() -> None:
    stopped = asyncio.Event()

    async def endless(*_: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    order = Function(name="order", description="", arguments=Order, call=endless, effect="read")
    tools = FunctionTools([order], timeout_s=0.01, max_result_bytes=10_000)

    answer = await tools.call("order", {"number": 1}, CONTEXT)

    assert answer == ToolResult(state="failed", error="It took longer than 0.01 s.")
    assert stopped.is_set()


@pytest.mark.parametrize("error", [KeyError("secret"), TimeoutError("secret"), RecursionError()])
async def test_a_function_that_breaks_tells_nothing_of_itself(error: Exception) -> None:
    async def broken(*_: Any) -> Any:
        raise error

    answer = await toolbox(broken).call("order", {"number": 1}, CONTEXT)

    assert answer == ToolResult(state="failed", error="The tool order broke on these arguments.")


async def test_a_function_may_say_why_it_cannot() -> None:
    async def refusing(*_: Any) -> Any:
        raise ToolFailed("No order\x00 has that number \ud800.")

    answer = await toolbox(refusing).call("order", {"number": 1}, CONTEXT)

    assert answer.error == "No order has that number \ufffd."


async def test_what_is_no_json_is_a_failure() -> None:
    async def generated(*_: Any) -> Any:
        return _generator()

    async def _generator() -> AsyncIterator[int]:
        yield 1

    answer = await toolbox(generated).call("order", {"number": 1}, CONTEXT)

    assert answer.state == "failed"


async def test_a_tool_that_is_not_available_says_why() -> None:
    tools = toolbox(unavailable_reason="Set it up first.")

    answer = await tools.call("order", {"number": 1}, CONTEXT)

    assert answer == ToolResult(state="failed", error="Set it up first.")
    assert tools.list()[0].available is False
    assert tools.list()[0].unavailable_reason == "Set it up first."


async def test_a_cancelled_call_stays_cancelled() -> None:
    begun = asyncio.Event()

    async def endless(*_: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(toolbox(endless).call("order", {"number": 1}, CONTEXT))
    await begun.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("a\x00b\ud83d", "ab\ufffd"),
        ("\ud83d\ude00", "\U0001f600"),
        (
            {"k\x00": [float("inf"), float("nan"), 1.5, True, None]},
            {"k": ["inf", "nan", 1.5, True, None]},
        ),
        ((1, 2**64 - 1, 2**64), [1, 2**64 - 1, str(2**64)]),
        (Line(sku="x"), {"sku": "x"}),
        ({1: UUID(int=3)}, {"1": "00000000-0000-0000-0000-000000000003"}),
    ],
)
def test_a_result_can_be_stored(value: object, stored: object) -> None:
    assert storable(value, max_bytes=10_000) == stored


def test_a_number_that_nobody_can_write_down_is_left_out() -> None:
    assert storable([10**5000], max_bytes=10_000) == ["[left out: a number of 16610 bits]"]


def test_a_result_that_is_nested_too_deep_is_cut_there() -> None:
    nested: list[Any] = []
    for _ in range(100):
        nested = [nested]

    fit = storable(nested, max_bytes=10_000)

    assert (
        msgspec.json.encode(fit) == b"[" * MAX_DEPTH + f'"{TOO_DEEP}"'.encode() + b"]" * MAX_DEPTH
    )


@pytest.mark.parametrize(
    "text", ["x" * 50_000, '"\\' * 20_000, "\x01" * 20_000, "\U0001f600" * 9_000]
)
def test_a_result_that_is_too_large_is_cut_with_a_note(text: str) -> None:
    fit = storable({"text": text}, max_bytes=10_000)

    assert fit["truncated"] is True
    assert "bytes of JSON" in fit["note"]
    assert 2_000 < len(msgspec.json.encode(fit)) <= 10_000
