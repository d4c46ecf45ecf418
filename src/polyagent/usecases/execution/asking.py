"""One step's question to a model, as it changes from try to try."""

from polyagent.domain.model import DEFAULT_WINDOW_TOKENS, ModelInfo
from polyagent.domain.tool import Tool
from polyagent.usecases.execution.draft import Draft
from polyagent.usecases.execution.state import State


class Asking:
    def __init__(self, run: State, info: ModelInfo | None, offered: tuple[Tool, ...]) -> None:
        self.info = info
        self.window = info.window_tokens if info else DEFAULT_WINDOW_TOKENS
        self.offered = offered
        self.retries = 0
        self.shrinks = 0
        self._run = run
        self.draft = Draft(run.done + 1)

    def begin(self) -> None:
        """Begin the step's message; at the head of the first one stands what is missing."""
        run, spec = self._run, self._run.work.spec
        run.draft = self.draft = Draft(run.done + 1)
        if spec.tools_named and spec.tools and not self.offered and run.done == 0:
            run.narrator.say(self.draft.say(self._without_tools()))

    def _without_tools(self) -> str:
        name = self.info.name if self.info else "This model"
        tools = ", ".join(self._run.work.spec.tools)
        return f"[{name} cannot call tools, so this answer was made without {tools}.]\n\n"
