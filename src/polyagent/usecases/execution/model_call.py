"""What a call of a model has used, also one that nobody heard the end of."""

from polyagent.domain.context import estimate_tokens
from polyagent.domain.event import UsageReported
from polyagent.domain.model import Finished, ModelDelta
from polyagent.domain.usage import Price, Usage


class ModelCall:
    def __init__(self, step: int, model: str, price: Price | None, prompt_tokens: int) -> None:
        self._step = step
        self._model = model
        self._price = price
        self._prompt_tokens = prompt_tokens
        self._heard: list[str] = []
        self._finished: Finished | None = None

    def hear(self, delta: ModelDelta) -> None:
        if isinstance(delta, Finished):
            self._finished = delta
        else:
            self._heard.append(delta.text)

    @property
    def spent(self) -> tuple[UsageReported, ...]:
        """What the service told in the end, else an estimate; nothing where it never said a word."""
        if self._finished is not None:
            told = self._finished
            return (UsageReported(self._step, told.model, told.usage),)
        if not self._heard:
            return ()
        made = estimate_tokens("".join(self._heard))
        usage = Usage(
            input_tokens=self._prompt_tokens,
            output_tokens=made,
            total_tokens=self._prompt_tokens + made,
            estimated=True,
        )
        return (UsageReported(self._step, self._model, usage.priced(self._price)),)
