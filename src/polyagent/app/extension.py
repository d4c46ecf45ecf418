"""What an operator adds to the server: tools, and providers that replace or add adapters."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, overload

from dishka import Provider

from polyagent.adapters.functions.function import Function
from polyagent.adapters.functions.plain import function_of
from polyagent.adapters.functions.tasks import FunctionTasks
from polyagent.domain.tool import Effect

F = TypeVar("F", bound=Callable[..., Any])


class App:
    """An operator's own tools, and dishka providers of whatever ports they replace.

    `polyagent up --app module:app` adds one to a server, `in_memory(app)` to a test.
    """

    def __init__(self, *providers: Provider) -> None:
        self.providers = [*providers]
        self.tools: list[Function] = []
        self.kinds: list[FunctionTasks] = []

    @property
    def is_empty(self) -> bool:
        return not (self.providers or self.tools or self.kinds)

    @overload
    def tool(self, function: F, /) -> F: ...

    @overload
    def tool(
        self, *, name: str | None = None, effect: Effect = "once", category: str = "general"
    ) -> Callable[[F], F]: ...

    def tool(
        self,
        function: Any = None,
        *,
        name: str | None = None,
        effect: Effect = "once",
        category: str = "general",
    ) -> Any:
        """Make a function a tool; it stays what it is. A decorator, with or without arguments.

        The model reads the docstring, and the type hints as a JSON schema. `effect` says what it
        means to call it again when nobody knows whether it was done: nothing (`read`), nothing under
        the same `CallContext.idempotency_key` (`write`), or harm (`once`: it is never called again).
        Raises `TypeError` and `ValueError` for a function that can be no tool.
        """

        def add(function: F) -> F:
            self.tools.append(function_of(function, name=name, effect=effect, category=category))
            return function

        return add if function is None else add(function)

    @overload
    def task(self, function: F, /) -> F: ...

    @overload
    def task(
        self,
        *,
        name: str | None = None,
        max_attempts: int | None = None,
        timeout_s: float | None = None,
    ) -> Callable[[F], F]: ...

    def task(
        self,
        function: Any = None,
        *,
        name: str | None = None,
        max_attempts: int | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Make a function a kind of tasks; it stays what it is. A decorator, with or without arguments.

        A payload is the function's arguments, and is checked against their types when the task is
        enqueued; what it returns is the result. A parameter of the type `TaskContext` gets the
        attempt's. Whatever it raises is a failed attempt, `TaskGivenUp` the last one. Raises `TypeError`.
        """

        def add(function: F) -> F:
            kind = FunctionTasks(
                function, name=name, max_attempts=max_attempts, timeout_s=timeout_s
            )
            self.kinds.append(kind)
            return function

        return add if function is None else add(function)


def merged(parts: Iterable[App | Provider]) -> App:
    """Return one with all of their tools and providers, in their order."""
    whole = App()
    for app in map(_app, parts):
        whole.providers.extend(app.providers)
        whole.tools.extend(app.tools)
        whole.kinds.extend(app.kinds)
    return whole


def _app(part: App | Provider) -> App:
    return part if isinstance(part, App) else App(part)
