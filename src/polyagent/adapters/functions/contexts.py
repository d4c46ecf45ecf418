"""Where a `CallContext` is among the types of a tool: the server gives it, never the model."""

from collections.abc import Callable, Iterator
from typing import Any, get_origin
from uuid import UUID

from msgspec import inspect

from polyagent.domain.tool import CallContext


class TaskContext(CallContext, frozen=True, kw_only=True):
    """What a function may know of the task that it does. `idempotency_key` is the same in all its attempts."""

    task_id: UUID
    max_attempts: int
    end_user: str | None
    tell: Callable[[Any], object]

    def progress(self, progress: Any) -> None:
        """Show how far it is: whatever JSON can say. From any thread; it does not wait."""
        self.tell(progress)


def is_context(hint: Any) -> bool:
    """Say whether a `CallContext` fits the hint as it stands: alone, annotated, or one of a union."""
    try:
        return _is_context(inspect.type_info(hint))
    except TypeError:  # it is no type of JSON at all
        return False


def _is_context(kind: inspect.Type) -> bool:
    match kind:
        case inspect.Metadata():
            return _is_context(kind.type)
        case inspect.UnionType():
            return any(map(_is_context, kind.types))
        case inspect.StructType():
            return kind.cls in (CallContext, TaskContext)
    return False


def has_context(arguments: type) -> bool:
    """Say whether there is a `CallContext`, or a subclass of it, at any depth of the type."""
    structs = (kind.cls for kind in _kinds(arguments) if isinstance(kind, inspect.StructType))
    return any(issubclass(get_origin(cls) or cls, CallContext) for cls in structs)


def _kinds(hint: Any) -> Iterator[inspect.Type]:
    """Yield the type and all that it is made of; one that holds itself is one object there."""
    left: list[Any] = [inspect.type_info(hint)]
    seen: set[int] = set()
    while left:
        match left.pop():
            case tuple() as several:
                left.extend(several)
            case inspect.Type() | inspect.Field() as one if id(one) not in seen:
                seen.add(id(one))
                left.extend(getattr(one, name) for name in one.__struct_fields__)
                if isinstance(one, inspect.Type):
                    yield one
