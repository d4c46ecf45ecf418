"""A plain Python function as a tool: its name, its docstring and its type hints say it all."""

import inspect
import operator
import re
import typing
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, get_args, get_origin

import msgspec

from polyagent.adapters.functions.contexts import is_context
from polyagent.adapters.functions.function import Arguments, Function
from polyagent.domain.tool import CallContext, Effect

# What every model service takes. https://platform.openai.com/docs/api-reference/chat/create
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def function_of(
    call: Callable[..., Any], *, name: str | None, effect: Effect, category: str
) -> Function:
    """Read a tool off a function; one that is no coroutine function will run in a thread.

    A parameter of the type `CallContext`, optional or annotated too, gets the call's, and the model
    knows nothing of it.
    Raises `TypeError` and `ValueError`, a sentence for who wrote the function.
    """
    name = name or call.__name__
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a tool: up to 64 of A-Z a-z 0-9 _ - are")
    description = inspect.getdoc(call)
    if not description:
        raise TypeError(f"the tool {name} has no docstring: models choose a tool by it")
    parameters = [*parameters_of(f"the tool {name}", call)]
    function = Function(
        name=name,
        description=description,
        arguments=arguments_of(name, parameters),
        call=unpacking(call, [each.name for each in parameters if each.is_context]),
        effect=effect,
        category=category,
        in_thread=not inspect.iscoroutinefunction(call),
    )
    _require_schema(function)
    return function


class Parameter(msgspec.Struct, frozen=True):
    name: str
    hint: Any
    default: Any

    @property
    def is_context(self) -> bool:
        return is_context(self.hint)

    def field(self) -> tuple[str, Any] | tuple[str, Any, Any]:
        """Return it as `msgspec.defstruct` takes it."""
        if self.default is inspect.Parameter.empty:
            return (self.name, self.hint)
        return (self.name, self.hint, self.default)


def parameters_of(what: str, call: Callable[..., Any]) -> Iterator[Parameter]:
    hints = _hints(what, call)
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind not in _NAMED:
            raise TypeError(f"{what} takes {parameter}: its parameters must have names")
        if parameter.name not in hints:
            raise TypeError(f"{what} says no type of its parameter {parameter.name}")
        yield Parameter(parameter.name, _described(hints[parameter.name]), parameter.default)


def _hints(what: str, call: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(call, include_extras=True)
    except NameError as error:
        raise TypeError(f"{what} has a type hint that leads nowhere: {error}") from error


def _described(hint: Any) -> Any:
    """Return the hint with what is `Annotated` as plain text in the form that schemas are made of."""
    if get_origin(hint) is not Annotated:
        return hint
    kind, *notes = get_args(hint)
    meant = (msgspec.Meta(description=n) if isinstance(n, str) else n for n in notes)
    return operator.getitem(Annotated, (kind, *meant))


def arguments_of(name: str, parameters: Sequence[Parameter]) -> type[Arguments]:
    made: Any = msgspec.defstruct(
        f"arguments_of_{name}",
        [each.field() for each in parameters if not each.is_context],
        bases=(Arguments,),
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
    arguments: type[Arguments] = made
    return arguments


def unpacking(
    call: Callable[..., Any], contexts: Sequence[str]
) -> Callable[[Any, CallContext], Any]:
    def called(given: Arguments, context: CallContext) -> Any:
        arguments = {name: getattr(given, name) for name in given.__struct_fields__}
        return call(**arguments, **dict.fromkeys(contexts, context))

    return called


def _require_schema(function: Function) -> None:
    try:
        function.described()
    except TypeError as error:
        raise TypeError(f"the tool {function.name} takes what JSON cannot say: {error}") from error
