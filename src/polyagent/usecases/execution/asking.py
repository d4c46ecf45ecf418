"""One step's question to a model, as it changes from try to try."""

import msgspec

from polyagent.domain.context import (
    estimate_tokens,
    given_messages,
    prompt_cost,
    prompt_messages,
    tools_cost,
    without_images,
)
from polyagent.domain.documents.passages import before_question, told
from polyagent.domain.errors import ContextExceeded, LimitReached
from polyagent.domain.model import (
    DEFAULT_WINDOW_TOKENS,
    ModelInfo,
    Prompt,
    PromptMessage,
    ToolChoice,
)
from polyagent.domain.tool import Tool
from polyagent.ports.tools import Tools
from polyagent.usecases.execution.draft import Draft
from polyagent.usecases.execution.state import State

ANSWER_TOKENS = 1024
DEMONSTRATION_TOKENS = 512
LEAST_TOKENS = 64
SURELY = 0.6  # a text has hardly fewer tokens than so many of the estimated ones


class Asking:
    """`offered` are the tools that the model is told of, `window` what prompt and answer may have."""

    def __init__(self, run: State, info: ModelInfo | None, tools: Tools) -> None:
        self._run = run
        self._info = info
        self.offered = self._offered(tools)
        self._tools_tokens = tools_cost(self.offered)
        self.fit(info.window_tokens if info else DEFAULT_WINDOW_TOKENS)
        self.draft = Draft(run.done + 1)
        self.retries = 0
        self.shrinks = 0

    def fit(self, window: int) -> None:
        """Have that window: what passages are shown depends on it."""
        spec = self._run.work.spec
        self.window = window
        self._passages = told(spec.passages, window // 3) if spec.has_documents else ""
        self._brought_tokens = prompt_cost(spec.given) + sum(
            map(estimate_tokens, (spec.instructions or "", self._passages))
        )

    def drop_tools(self) -> None:
        """Ask without them: the service takes none."""
        self.offered, self._tools_tokens = (), 0

    def begin(self) -> None:
        """Begin the step's message; at the head of the first one, unless it is JSON, stands what is missing."""
        run, spec = self._run, self._run.work.spec
        run.draft = self.draft = Draft(run.done + 1)
        is_without = spec.tools_named and spec.tools and not self.offered
        if is_without and run.done == 0 and spec.response_format is None:
            run.narrator.say(self.draft.say(self._without_tools()))

    def _without_tools(self) -> str:
        name = self._info.name if self._info else "This model"
        tools = ", ".join(self._run.work.spec.tools)
        return f"[{name} cannot call tools, so this answer was made without {tools}.]\n\n"

    def _offered(self, tools: Tools) -> tuple[Tool, ...]:
        spec = self._run.work.spec
        if self._info is not None and not self._info.tools:
            return ()
        known = {tool.name: tool for tool in tools.list()}
        named = [known[name] for name in spec.tools if name in known]
        own = [tool for tool in named if tool.available or spec.tools_named]
        return (*own, *spec.client_tools)

    @property
    def prompt_tokens(self) -> int:
        """What of the window is left for the prompt."""
        return self.window - min(self._most_tokens() or ANSWER_TOKENS, self.window // 4)

    @property
    def fixed_tokens(self) -> int:
        """What of the prompt is no matter of ours: instructions, tools, what a client brought along."""
        return self._brought_tokens + self._tools_tokens

    @property
    def result_tokens(self) -> int:
        """What the results of one step have together, at most: half of what is left."""
        return max(LEAST_TOKENS, (self.window * 3 // 4 - self.fixed_tokens) // 2)

    def prompt(self) -> Prompt:
        """Raises `LimitReached`."""
        spec = self._run.work.spec
        return Prompt(
            model=spec.model,
            messages=self._visible(self._messages()),
            tools=self.offered,
            tool_choice=self._choice(),
            parallel_tool_calls=spec.parallel_tool_calls,
            settings=msgspec.structs.replace(spec.settings, max_output_tokens=self._most_tokens()),
            response_format=spec.response_format,
        )

    def thought_tokens(self, prompt: Prompt) -> int:
        """Return about how many tokens a prompt has."""
        return prompt_cost(prompt.messages) + self._tools_tokens

    def require_room(self, thought: int) -> None:
        """Raise `ContextExceeded` for what cannot fit by far: some services cut such a prompt in silence."""
        info = self._info
        if info is None or info.window_guessed:
            return
        if thought * SURELY > info.window_tokens:
            raise ContextExceeded(
                f"The prompt has about {thought} tokens, the model's window {info.window_tokens}."
            )

    def _messages(self) -> tuple[PromptMessage, ...]:
        run, spec = self._run, self._run.work.spec
        steps, given = run.talk.steps, spec.given
        if self._passages:
            steps = before_question(self._passages, steps)
            given = before_question(self._passages, given)
        talk = msgspec.structs.replace(run.talk, steps=(*steps, *run.rejected))
        most = self.result_tokens
        if given:
            return given_messages(spec.instructions, given, talk, result_tokens=most)
        return prompt_messages(spec.instructions, talk, result_tokens=most)

    def _visible(self, messages: tuple[PromptMessage, ...]) -> tuple[PromptMessage, ...]:
        """Leave out the images that the model would refuse all of it for."""
        sees = self._info is None or self._info.images is not False
        return messages if sees else without_images(messages)

    def _choice(self) -> ToolChoice | None:
        """Return what is said of the tools; a call is forced once, since a run that must always call never ends."""
        choice = self._run.work.spec.tool_choice
        return choice if self._run.done == 0 or choice == "none" else None

    def _most_tokens(self) -> int | None:
        """Return how long the answer may be; None leaves it to the service."""
        run, spec = self._run, self._run.work.spec
        left = run.max_output_tokens - run.usage.output_tokens + run.summary_tokens
        if left <= 0:
            raise LimitReached(f"The run reached its limit of {run.max_output_tokens} tokens.")
        asked = spec.settings.max_output_tokens
        if asked is None and self._info is not None and self._info.demonstration:
            asked = DEMONSTRATION_TOKENS
        if asked is None and spec.limits.max_output_tokens is None:
            return None
        return min(left, asked or left)
