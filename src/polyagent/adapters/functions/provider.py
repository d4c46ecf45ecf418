"""The tools that are built in."""

from dishka import Provider, Scope, provide

from polyagent import settings
from polyagent.adapters.functions.calculator import calculator
from polyagent.adapters.functions.code_analyzer import CodeAnalyzer
from polyagent.adapters.functions.current_time import CurrentTime
from polyagent.adapters.functions.git_helper import GitHelper
from polyagent.adapters.functions.isolated.parent import Isolated
from polyagent.adapters.functions.registry import FunctionTools
from polyagent.adapters.functions.web_search import WebSearch
from polyagent.ports.clock import Clock
from polyagent.ports.search import Search
from polyagent.ports.tools import Tools


class FunctionsProvider(Provider):
    scope = Scope.APP

    @provide
    def tools(self, allowed: settings.Tools, clock: Clock, search: Search) -> Tools:
        isolated = Isolated()
        functions = [
            calculator,
            CurrentTime(clock).function(),
            CodeAnalyzer(isolated).function(),
            GitHelper(isolated, allowed.git_repositories).function(),
            WebSearch(search).function(),
        ]
        return FunctionTools(
            functions, timeout_s=allowed.timeout_s, max_result_bytes=allowed.max_result_bytes
        )
