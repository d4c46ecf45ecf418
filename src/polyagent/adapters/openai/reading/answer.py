"""One answer, from its chunks to the deltas of the domain."""

from collections.abc import Iterator, Mapping

from polyagent.adapters.openai.reading.calls import Calls
from polyagent.adapters.openai.reading.chunks import Chunk, Delta
from polyagent.adapters.openai.reading.malformed import Malformed
from polyagent.adapters.openai.reading.text import Joiner
from polyagent.adapters.openai.reading.usage import Totals, estimated
from polyagent.domain.model import (
    CallDelta,
    Finished,
    FinishReason,
    ModelDelta,
    Prompt,
    TextDelta,
    ThoughtDelta,
)
from polyagent.domain.text import clean
from polyagent.domain.usage import Price, Usage

MAX_TOKENS = 262_144  # where nobody said how long the answer may be
CHARACTERS_PER_TOKEN = 16  # generous: only a service that ignores `max_tokens` gets there

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
}


class Answer:
    """Folds chunks into deltas, and knows whether the answer came to its end.

    An end is a finish reason, `[DONE]`, or usage after the last word: each of them is missing somewhere.
    """

    def __init__(self, prompt: Prompt, model: str, prices: Mapping[str, Price]) -> None:
        self.usage = Usage()
        self._prompt = prompt
        self._asked = model
        self._model = model
        self._prices = prices
        self._texts = Joiner()
        self._thoughts = Joiner()
        self._calls = Calls()
        self._totals = Totals()
        self._said: list[str] = []
        self._characters_left = _most_characters(prompt)
        self._raw_reason: str | None = None
        self._settled = False
        self._done = False

    @property
    def finish_known(self) -> bool:
        return self._raw_reason is not None

    @property
    def is_cut(self) -> bool:
        """Whether the service goes on though it was told how long the answer may be."""
        return self._characters_left < 0

    @property
    def is_over(self) -> bool:
        return self._done or self.is_cut

    def add(self, chunk: Chunk) -> Iterator[ModelDelta]:
        choice = chunk.choices[0] if chunk.choices else None
        delta = (choice.delta or choice.message) if choice else None
        said = len(self._said)
        if chunk.model and chunk.model != self._model and isinstance(chunk.model, str):
            self._model = clean(chunk.model)
        if delta is not None:
            yield from self._deltas(delta)
        if choice and isinstance(choice.finish_reason, str) and choice.finish_reason:
            self._raw_reason = clean(choice.finish_reason)
        if usage := chunk.told_usage:
            self._totals.add(usage)
            self._settled = len(self._said) == said  # beside a word it may be a running total

    def done(self) -> None:
        """Take note of `[DONE]`."""
        self._done = True

    def end(self) -> Iterator[ModelDelta]:
        """Return what was kept back, and `Finished`. Raises `Malformed` if the answer broke off."""
        ended = self.finish_known or self.is_cut or (self._said and (self._settled or self._done))
        if not ended:
            raise Malformed(
                "an answer that breaks off" if self._said else "an answer without content"
            )
        yield from self._tails()
        self.usage = self._spent()
        yield Finished(
            reason=self._reason(),
            model=self._model,
            usage=self.usage,
            raw_reason=self._raw_reason,
        )

    def _spent(self) -> Usage:
        usage = self._totals.usage() or estimated(self._prompt, self._said)
        price = self._prices.get(self._asked) or self._prices.get(self._model)
        return usage.priced(price)

    def _deltas(self, delta: Delta) -> Iterator[ModelDelta]:
        if (text := delta.only_text) is not None:
            return self._told(TextDelta(self._texts.add(text)))
        return self._all_deltas(delta)

    def _all_deltas(self, delta: Delta) -> Iterator[ModelDelta]:
        for piece in delta.thoughts():
            yield from self._told(ThoughtDelta(self._thoughts.add(piece)))
        for piece in delta.texts():
            yield from self._told(TextDelta(self._texts.add(piece)))
        for fragment in delta.tool_calls or ():
            call = self._calls.add(fragment) if fragment else None
            if call is not None:
                yield from self._told(call)

    def _tails(self) -> Iterator[ModelDelta]:
        yield from self._told(ThoughtDelta(self._thoughts.end()))
        yield from self._told(TextDelta(self._texts.end()))
        for call in self._calls.end():
            yield from self._told(call)

    def _told(self, delta: TextDelta | ThoughtDelta | CallDelta) -> Iterator[ModelDelta]:
        if not delta.text and not isinstance(delta, CallDelta):
            return
        self._settled = False
        self._said.append(delta.text)
        self._characters_left -= len(delta.text)
        yield delta

    def _reason(self) -> FinishReason:
        """Return why it ended; services that ask for calls often say `stop`."""
        if self.is_cut:
            return "length"
        known = _REASONS.get(self._raw_reason or "stop", "other")
        return "tool_calls" if self._calls and known in ("stop", "other") else known


def _most_characters(prompt: Prompt) -> int:
    return (prompt.settings.max_output_tokens or MAX_TOKENS) * CHARACTERS_PER_TOKEN
