"""A model that answers from a script: for tests, and for the tests of library users."""

from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

import msgspec

from polyagent.domain.chat import text_of
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.health import Component
from polyagent.domain.model import (
    DEFAULT_WINDOW_TOKENS,
    CallDelta,
    Finished,
    ModelDelta,
    ModelInfo,
    Prompt,
    TextDelta,
)
from polyagent.domain.usage import Usage

Scripted = Iterable[ModelDelta | PolyAgentError]


class ScriptedModels:
    """Answers each call with the next script, and when there is none with an echo.

    An error in a script is raised at its place. `prompts` are the calls that were made.
    """

    def __init__(self, *scripts: Scripted, info: ModelInfo | None = None) -> None:
        self.scripts = deque(scripts)
        self.prompts: list[Prompt] = []
        self._info = info or ModelInfo(
            name="scripted",
            service="memory",
            window_tokens=DEFAULT_WINDOW_TOKENS,
            window_guessed=True,
            images=True,
        )

    async def stream(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        self.prompts.append(prompt)
        script = self.scripts.popleft() if self.scripts else _echo(prompt)
        for delta in script:
            if isinstance(delta, PolyAgentError):
                raise delta
            yield delta

    async def info(self, model: str | None) -> ModelInfo:
        return self._info

    async def list(self) -> Sequence[ModelInfo]:
        return [self._info]

    async def health(self) -> Component:
        return Component(status="ok", facts={"models": [self._info.name]})


def said(*texts: str) -> list[ModelDelta]:
    """Return the script of a plain answer."""
    words = sum(len(text.split()) for text in texts)
    usage = Usage(input_tokens=1, output_tokens=words, total_tokens=1 + words)
    return [*map(TextDelta, texts), Finished(reason="stop", model="scripted", usage=usage)]


def called(name: str, /, **arguments: Any) -> list[ModelDelta]:
    """Return the script of an answer that asks for one call of a tool."""
    written = msgspec.json.encode(arguments).decode()
    usage = Usage(input_tokens=1, output_tokens=1, total_tokens=2)
    finished = Finished(reason="tool_calls", model="scripted", usage=usage)
    return [CallDelta(0, written, name), finished]


def _echo(prompt: Prompt) -> list[ModelDelta]:
    return said("You said: ", text_of(prompt.messages[-1].parts))
