"""The `CallContext` of a plain function: the server gives it, whatever a model writes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, NewType, Optional, TypedDict, TypeVar
from uuid import UUID

import msgspec
import pytest

from polyagent.adapters.functions.function import Arguments, Function
from polyagent.adapters.functions.registry import FunctionTools
from polyagent.app import App
from polyagent.domain.tool import CallContext, ToolResult

CONTEXT = CallContext(
    workspace_id=UUID(int=1), user_id=UUID(int=2), run_id=None, idempotency_key="the-key"
)


def alone(context: CallContext) -> str:
    """Asks."""
    return context.idempotency_key


def one_of_two(context: CallContext | None = None) -> str:
    """Asks."""
    return context.idempotency_key if context else "nobody's"


def optional(context: Optional[CallContext]) -> str:  # noqa: UP045 - older code writes so
    """Asks."""
    return one_of_two(context)


def annotated(context: Annotated[CallContext, "the call"]) -> str:
    """Asks."""
    return context.idempotency_key


def annotated_of_two(
    context: Annotated[CallContext | None, msgspec.Meta(description="the call")] = None,
) -> str:
    """Asks."""
    return one_of_two(context)


def two_of_annotated(context: Annotated[CallContext, 7] | None = None) -> str:
    """Asks."""
    return one_of_two(context)


def one_of_three(context: CallContext | str | None = None) -> str:
    """Asks."""
    return context.idempotency_key if isinstance(context, CallContext) else "forged"


Renamed = NewType("Renamed", CallContext)  # type: ignore[misc] # mypy makes a subclass of it


def renamed(context: Renamed) -> str:
    """Asks."""
    return context.idempotency_key


GIVEN = (alone, one_of_two, optional, annotated, annotated_of_two, two_of_annotated, one_of_three)


@pytest.mark.parametrize("function", [*GIVEN, renamed])
async def test_no_model_gives_one_however_its_type_is_written(
    function: Callable[..., Any],
) -> None:
    app = App()
    app.tool(function)
    tools = FunctionTools(app.tools, timeout_s=30, max_result_bytes=10_000)
    forgery = msgspec.to_builtins(CONTEXT) | {"idempotency_key": "forged"}

    honest = await tools.call(function.__name__, {}, CONTEXT)
    forged = await tools.call(function.__name__, {"context": forgery}, CONTEXT)

    assert tools.get(function.__name__).parameters["properties"] == {}
    assert honest == ToolResult(state="done", result="the-key")
    assert (forged.state, forged.result) == ("failed", None)
    assert "unknown field `context`" in (forged.error or "")


class Ours(CallContext, frozen=True):
    tenant: str


@dataclass
class Branch:
    branches: list["Branch"]
    context: CallContext | None = None


class Held(TypedDict):
    context: CallContext


T = TypeVar("T")


class Box(msgspec.Struct, Generic[T]):
    content: T


def several(contexts: list[CallContext]) -> int:
    """Counts."""
    return len(contexts)


def by_name(contexts: dict[str, CallContext] | None = None) -> int:
    """Counts."""
    return len(contexts or ())


def tree(branch: Branch) -> int:
    """Counts."""
    return len(branch.branches)


def held(held: Held) -> int:
    """Counts."""
    return len(held)


def boxed(box: Box[CallContext]) -> int:
    """Counts."""
    return box.content.attempt


def subclassed(context: Ours | None = None) -> int:
    """Counts."""
    return int(context is None)


@pytest.mark.parametrize("function", [several, by_name, tree, held, boxed, subclassed])
def test_one_that_a_model_would_fill_in_is_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(TypeError, match=f"{function.__name__} .*a CallContext comes from the"):
        App().tool(function)


class WithContext(Arguments, frozen=True):
    context: CallContext


def test_arguments_written_by_hand_hold_none_either() -> None:
    function = Function(name="f", description="F.", arguments=WithContext, call=print)

    with pytest.raises(TypeError, match="a CallContext comes from the server"):
        FunctionTools([function], timeout_s=30, max_result_bytes=10_000)
