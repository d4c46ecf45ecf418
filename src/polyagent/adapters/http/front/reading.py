"""A request as what it asks of us; what only older clients send is refused with what to send instead."""

import re
from typing import Any

import msgspec

from polyagent.adapters.http.front.conversation import told
from polyagent.adapters.http.front.wire import CompletionRequest, FunctionTool
from polyagent.domain.agent import ModelSettings
from polyagent.domain.completion import CompletionAsk
from polyagent.domain.errors import Fault, Invalid
from polyagent.domain.misfit import misfit
from polyagent.domain.model import ToolChoice
from polyagent.domain.response_format import JsonObject, JsonSchema, NamedSchema, ResponseFormat
from polyagent.domain.tool import Tool

NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
FORMATS = ("text", "json_object", "json_schema")
_NOT_OF_A_NAME = re.compile("[^A-Za-z0-9_-]")
CHOICES = ("auto", "none", "required")


def ask_of(request: CompletionRequest) -> CompletionAsk:
    """Raises `Invalid`."""
    _require_of_today(request)
    return CompletionAsk(
        model=request.model,
        given=told(request.messages),
        settings=_settings(request),
        tools=_tools(request.tools or []),
        tool_choice=_choice(request.tool_choice),
        parallel_tool_calls=request.parallel_tool_calls,
        response_format=_format(request.response_format),
        end_user=request.user or None,
        metadata=request.metadata or {},
    )


def _require_of_today(request: CompletionRequest) -> None:
    if request.n not in (None, 1):
        raise _wrong("#/n", "There is one answer to a request: leave n out, or ask several times.")
    if request.functions is not None:
        raise _wrong("#/functions", "functions is out of date: use tools.")
    if request.function_call is not None:
        raise _wrong("#/function_call", "function_call is out of date: use tool_choice.")


def _settings(request: CompletionRequest) -> ModelSettings:
    fields = set(ModelSettings.__struct_fields__) & set(CompletionRequest.__struct_fields__)
    given = {field: getattr(request, field) for field in fields}
    given["max_output_tokens"] = _first(request.max_completion_tokens, request.max_tokens)
    given["stop"] = [request.stop] if isinstance(request.stop, str) else request.stop or None
    try:
        return msgspec.convert(given, ModelSettings)
    except msgspec.ValidationError as error:
        raise misfit(error) from error


def _first(newer: int | None, older: int | None) -> int | None:
    return older if newer is None else newer


def _tools(tools: list[FunctionTool]) -> tuple[Tool, ...]:
    names = [tool.function.name for tool in tools]
    for n, name in enumerate(names):
        if name in names[:n]:
            raise _wrong(f"#/tools/{n}/function/name", f"Two tools are named {name!r}.")
    return tuple(
        Tool(
            name=tool.function.name,
            description=tool.function.description or "",
            parameters=tool.function.parameters or NO_PARAMETERS,
            source="client",
        )
        for tool in tools
    )


def _choice(choice: str | dict[str, Any] | None) -> ToolChoice | None:
    match choice:
        case None | "auto":
            return None
        case str() if choice in CHOICES:
            return choice
        case {"type": "function", "function": {"name": str(name)}}:
            return {"type": "function", "function": {"name": name}}
    raise _wrong("#/tool_choice", "tool_choice is auto, none, required, or names one function.")


def _format(given: dict[str, Any] | None) -> ResponseFormat | None:
    """Read it as leniently as the protocol's servers do: a schema need not have a name."""
    match given:
        case None | {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return JsonObject()
        case {"type": "json_schema", "json_schema": {"schema": dict(schema), **named}}:
            return JsonSchema(NamedSchema(name=_name(named), schema=schema, strict=_strict(named)))
        case {"type": "json_schema"}:
            raise _wrong("#/response_format/json_schema", "json_schema holds name and schema.")
    raise _wrong("#/response_format/type", f"The type is one of {', '.join(FORMATS)}.")


def _name(named: dict[Any, Any]) -> str:
    name = named.get("name")
    return _NOT_OF_A_NAME.sub("_", name)[:64] if isinstance(name, str) and name else "answer"


def _strict(named: dict[Any, Any]) -> bool | None:
    strict = named.get("strict")
    return strict if isinstance(strict, bool) else None


def _wrong(at: str, detail: str) -> Invalid:
    return Invalid(detail, faults=(Fault(at, detail),))
