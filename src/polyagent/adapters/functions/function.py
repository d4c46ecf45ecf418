"""What makes a Python function a tool."""

from collections.abc import Callable
from typing import Any

import msgspec

from polyagent.adapters.functions.contexts import has_context
from polyagent.domain.tool import CallContext, Effect, Tool


class Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of a tool's arguments: their JSON Schema is read off the fields.

    A field is described to the model by `Annotated[..., msgspec.Meta(description=...)]`.
    """


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """`call` gets an instance of `arguments` and returns what JSON can say, or what to await for it.

    It raises `ToolFailed` with a sentence for the model; anything else that it raises is logged, and
    the model learns only that the tool broke. With `in_thread` it may block.
    """

    name: str
    description: str
    arguments: type[Arguments]
    call: Callable[[Any, CallContext], Any]
    effect: Effect = "once"
    category: str = "general"
    source: str = "function"
    unavailable_reason: str | None = None
    in_thread: bool = False

    def described(self) -> Tool:
        """Raises `TypeError` for arguments that JSON cannot say, and for what a model must not give."""
        return Tool(
            name=self.name,
            description=self.description,
            parameters=_schema(self.arguments),
            category=self.category,
            effect=self.effect,
            source=self.source,
            available=self.unavailable_reason is None,
            unavailable_reason=self.unavailable_reason,
        )


def _schema(arguments: type[Arguments]) -> dict[str, Any]:
    """Return the schema with its object at the root: model services take no `$ref` there."""
    if has_context(arguments):
        raise TypeError("a CallContext comes from the server, as a parameter of its own")
    _, components = msgspec.json.schema_components([arguments], ref_template="#/$defs/{name}")
    schema: dict[str, Any] = components.pop(arguments.__name__)
    for of_the_class in ("title", "description"):
        schema.pop(of_the_class, None)
    return schema | {"$defs": components} if components else schema
