"""The tools that are built in, and an operator's own."""

from collections.abc import Iterable, Iterator

from dishka import Provider, Scope, provide

from polyagent import settings
from polyagent.adapters.functions.calculator import calculator
from polyagent.adapters.functions.code_analyzer import CodeAnalyzer
from polyagent.adapters.functions.current_time import CurrentTime
from polyagent.adapters.functions.document_search import DocumentSearch
from polyagent.adapters.functions.function import Function
from polyagent.adapters.functions.git_helper import GitHelper
from polyagent.adapters.functions.isolated.parent import Isolated
from polyagent.adapters.functions.registry import FunctionTools
from polyagent.adapters.functions.web_search import WebSearch
from polyagent.ports.clock import Clock
from polyagent.ports.search import Search
from polyagent.ports.tools import Tools
from polyagent.usecases.documents.passage_search import PassageSearch

BUILTIN = frozenset(
    {
        *("calculator", "code_analyzer", "current_time", "document_search", "git_helper"),
        "web_search",
    }
)


class FunctionsProvider(Provider):
    scope = Scope.APP

    def __init__(self, own: Iterable[Function] = ()) -> None:
        """Raises `settings.SettingsError` for an own tool whose name is taken."""
        super().__init__()
        self._own = [*_distinct(own)]

    @provide
    def tools(
        self, allowed: settings.Tools, clock: Clock, search: Search, passages: PassageSearch
    ) -> Tools:
        isolated = Isolated()
        functions = [
            calculator,
            CurrentTime(clock).function(),
            CodeAnalyzer(isolated).function(),
            GitHelper(isolated, allowed.git_repositories).function(),
            WebSearch(search).function(),
            DocumentSearch(passages).function(),
            *self._own,
        ]
        return FunctionTools(
            functions, timeout_s=allowed.timeout_s, max_result_bytes=allowed.max_result_bytes
        )


def _distinct(own: Iterable[Function]) -> Iterator[Function]:
    taken = set(BUILTIN)
    for function in own:
        if function.name in taken:
            raise settings.SettingsError(
                f"There are two tools named {function.name}: give your own another name."
            )
        taken.add(function.name)
        yield function
