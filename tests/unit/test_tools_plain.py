"""A plain function as a tool."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest

from polyagent.adapters.functions.registry import FunctionTools
from polyagent.app import App
from polyagent.domain.errors import ToolFailed
from polyagent.domain.tool import CallContext, Tool, ToolResult

CONTEXT = CallContext(
    workspace_id=UUID(int=1), user_id=UUID(int=2), run_id=None, idempotency_key="the-key"
)


@dataclass
class Line:
    sku: str
    count: int = 1


def tools_of(app: App, *, timeout_s: float = 30) -> FunctionTools:
    return FunctionTools(app.tools, timeout_s=timeout_s, max_result_bytes=10_000)


def described(function: Callable[..., Any]) -> Tool:
    app = App()
    app.tool(function)
    (tool,) = tools_of(app).list()
    return tool


async def called(function: Callable[..., Any], **arguments: Any) -> ToolResult:
    app = App()
    app.tool(function)
    return await tools_of(app).call(function.__name__, arguments, CONTEXT)


def test_its_name_docstring_and_hints_are_what_a_model_reads() -> None:
    def order(
        number: Annotated[int, "As printed on the bill"],
        lines: list[Line],
        size: Annotated[int, msgspec.Meta(ge=1), "In metres"] = 1,
        *,
        speed: Literal["slow", "fast"] = "slow",
        note: str | None = None,
    ) -> str:
        """Orders something.

        Only what is in stock.
        """
        return f"{number}{lines}{size}{speed}{note}"

    tool = described(order)

    properties = tool.parameters["properties"]
    assert (tool.name, tool.description) == (
        "order",
        "Orders something.\n\nOnly what is in stock.",
    )
    assert (tool.effect, tool.source, tool.category) == ("once", "function", "general")
    assert tool.parameters["required"] == ["number", "lines"]
    assert tool.parameters["additionalProperties"] is False
    assert properties["number"] == {"type": "integer", "description": "As printed on the bill"}
    assert properties["size"] == {
        "type": "integer",
        "minimum": 1,
        "description": "In metres",
        "default": 1,
    }
    assert properties["speed"] == {"enum": ["fast", "slow"], "default": "slow"}
    assert tool.parameters["$defs"]["Line"]["required"] == ["sku"]


def test_a_decorator_may_say_more_and_leaves_the_function_as_it_is() -> None:
    app = App()

    @app.tool(name="order-status", effect="read", category="shop")
    def order_status(number: int) -> str:
        """Tells where an order is."""
        return f"on its way: {number}"

    (tool,) = tools_of(app).list()
    assert (tool.name, tool.effect, tool.category) == ("order-status", "read", "shop")
    assert order_status(7) == "on its way: 7"


async def test_it_is_called_with_what_its_hints_promise() -> None:
    def total(lines: list[Line], factor: int = 2) -> int:
        """Adds up."""
        return sum(line.count for line in lines) * factor

    answer = await called(total, lines=[{"sku": "a"}, {"sku": "b", "count": 3}])

    assert answer == ToolResult(state="done", result=8)


async def test_arguments_that_do_not_fit_never_reach_it() -> None:
    def double(number: int) -> int:
        """Doubles."""
        raise AssertionError

    answer = await called(double, number="7")

    assert answer.state == "failed"
    assert "Expected `int`, got `str` - at `$.number`" in (answer.error or "")


async def test_a_context_is_given_and_no_model_hears_of_it() -> None:
    def pay(amount: int, context: CallContext) -> str:
        """Pays."""
        return f"{amount} under {context.idempotency_key}"

    answer = await called(pay, amount=5)

    assert answer.result == "5 under the-key"
    assert [*described(pay).parameters["properties"]] == ["amount"]


async def test_a_function_without_parameters_is_a_tool() -> None:
    async def ping() -> str:
        """Answers."""
        return "pong"

    assert (await called(ping)).result == "pong"
    assert described(ping).parameters["properties"] == {}


async def test_one_that_blocks_runs_in_a_thread_and_a_coroutine_function_here() -> None:
    def blocks() -> int:
        """Says its thread."""
        return threading.get_ident()

    async def waits() -> int:
        """Says its thread."""
        return threading.get_ident()

    assert (await called(blocks)).result != threading.get_ident()
    assert (await called(waits)).result == threading.get_ident()


async def test_a_wrapped_coroutine_function_is_awaited_all_the_same() -> None:
    async def waits() -> str:
        """Waits."""
        await asyncio.sleep(0)
        return "waited"

    @wraps(waits)
    def wrapped() -> Any:
        return waits()

    assert (await called(wrapped)).result == "waited"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ToolFailed("Ask for less."), "Ask for less."),
        (KeyError("secret"), "The tool broken broke on these arguments."),
    ],
)
async def test_what_it_raises_in_its_thread_is_told_as_elsewhere(
    error: Exception, told: str
) -> None:
    def broken() -> str:
        """Breaks."""
        raise error

    answer = await called(broken)

    assert answer == ToolResult(state="failed", error=told)


@pytest.mark.parametrize("blocks", [True, False])
async def test_a_tool_that_calls_exit_ends_nothing_but_itself(blocks: bool) -> None:
    def leaves() -> str:
        """Leaves."""
        raise SystemExit(7)

    async def leaves_later() -> str:
        """Leaves."""
        raise SystemExit(7)

    answer = await called(leaves if blocks else leaves_later)

    assert answer.state == "failed"


async def test_a_thread_that_never_ends_is_no_answer_and_holds_nobody_up() -> None:
    app, released = App(), threading.Event()

    @app.tool(effect="read")
    def hangs() -> None:
        """Hangs."""
        released.wait(60)

    answer = await tools_of(app, timeout_s=0.01).call("hangs", {}, CONTEXT)
    released.set()

    assert answer == ToolResult(state="failed", error="It took longer than 0.01 s.")


def no_docstring(number: int) -> int:
    return number


def no_hint(number) -> int:  # type: ignore[no-untyped-def] # that is what is tried
    """Doubles."""
    return int(number)


def rest(*numbers: int) -> int:
    """Adds."""
    return sum(numbers)


def anything(**numbers: int) -> int:
    """Adds."""
    return sum(numbers.values())


def nowhere(number: "Nowhere") -> int:  # type: ignore[name-defined] # noqa: F821 - that is what is tried
    """Adds."""
    return int(number)


def unsayable(number: threading.Event) -> bool:
    """Adds."""
    return number.is_set()


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (no_docstring, "no_docstring has no docstring"),
        (no_hint, "no_hint says no type of its parameter number"),
        (rest, r"rest takes \*numbers: int"),
        (anything, r"anything takes \*\*numbers: int"),
        (nowhere, "leads nowhere: name 'Nowhere' is not defined"),
        (unsayable, "unsayable takes what JSON cannot say"),
    ],
)
def test_a_function_that_can_be_no_tool_is_told_why(function: Callable[..., Any], why: str) -> None:
    with pytest.raises(TypeError, match=why):
        App().tool(function)


@pytest.mark.parametrize("name", ["two words", "x" * 65, "größe", "a.b"])
def test_a_name_that_no_model_service_takes_is_refused(name: str) -> None:
    def fine() -> None:
        """Fine."""

    with pytest.raises(ValueError, match="is no name of a tool"):
        App().tool(name=name)(fine)
