"""Making room in a model's window: older turns become a summary, which the journal keeps."""

from collections import defaultdict
from contextlib import aclosing

from polyagent.domain.agent import ModelSettings
from polyagent.domain.chat import Message, TextPart
from polyagent.domain.compaction import (
    SUMMARISER,
    Compaction,
    compaction,
    fits,
    request_for,
    summary_tokens,
    transcript,
)
from polyagent.domain.context import Conversation, cost_of, cut, prompt_cost
from polyagent.domain.errors import ContextExceeded, ModelServiceBroken, ModelServiceRefused
from polyagent.domain.event import ContextCompacted
from polyagent.domain.ids import new_id
from polyagent.domain.model import Finished, Prompt, PromptMessage, TextDelta
from polyagent.ports.clock import Clock
from polyagent.ports.models import Models
from polyagent.usecases.execution.asking import LEAST_TOKENS, Asking
from polyagent.usecases.execution.state import State

MARGIN = 0.9  # of the window: an estimate is one
TRIES = 3
LEAST_OUTPUT_TOKENS = 1024  # some models think before they summarise
RATIOS = (0.7, 4.0)  # beyond these a service counts something else


class Compactor:
    """Estimates are corrected by what services report, per model."""

    def __init__(self, models: Models, clock: Clock) -> None:
        self._models = models
        self._clock = clock
        self._ratios: defaultdict[str | None, float] = defaultdict(lambda: 1.0)

    def learn(self, run: State, thought: int, finished: Finished) -> None:
        """Compare the tokens that a prompt was thought to have with what the service says that it had."""
        told = finished.usage.input_tokens
        if finished.usage.estimated or not told:
            return
        if thought > LEAST_TOKENS:
            seen = min(RATIOS[1], max(RATIOS[0], told / thought))
            model = run.work.spec.model
            self._ratios[model] = (self._ratios[model] + seen) / 2

    async def make_room(self, run: State, ask: Asking, *, at_once: bool = False) -> None:
        """Summarise what is too much, if anything is and may go; `at_once`: whatever may go."""
        budget_tokens = self._budget(run, ask)
        if not at_once and fits(run.talk, budget_tokens, ask.result_tokens):
            return
        if (plan := compaction(run.talk, budget_tokens, ask.result_tokens)) is not None:
            await self._compact(run, plan, budget_tokens)

    def _budget(self, run: State, ask: Asking) -> int:
        """Return what the conversation may have, in tokens as we estimate them."""
        total = int(ask.prompt_tokens * MARGIN / self._ratios[run.work.spec.model])
        rejected = cost_of(Conversation(steps=run.rejected))
        return max(LEAST_TOKENS, total - ask.fixed_tokens - rejected)

    async def _compact(self, run: State, plan: Compaction, budget_tokens: int) -> None:
        most = summary_tokens(budget_tokens)
        text = await self._summary(run, plan, budget_tokens, most)
        message = _message(run, cut(text, most), self._clock)
        compacted = ContextCompacted(len(plan.covered), message.id)
        await run.compact(plan, message, (compacted, *run.unsettled))
        run.require_budget()

    async def _summary(self, run: State, plan: Compaction, tokens: int, most: int) -> str:
        """Ask the model for a summary; where it gives none, cut the words themselves.

        Raises `ModelServiceUnavailable`, as the step itself would.
        """
        for _ in range(TRIES):
            text = transcript(run.talk.summary, plan.told, max(LEAST_TOKENS, tokens - most))
            try:
                return await self._asked(run, text, most)
            except ContextExceeded:
                tokens //= 2
            except (ModelServiceBroken, ModelServiceRefused):
                break
        return transcript(run.talk.summary, plan.told, most)

    async def _asked(self, run: State, text: str, most: int) -> str:
        spec = run.work.spec
        ask = PromptMessage(role="user", parts=(TextPart(request_for(text, most)),))
        system = PromptMessage(role="system", parts=(TextPart(SUMMARISER),))
        settings = ModelSettings(max_output_tokens=max(LEAST_OUTPUT_TOKENS, 2 * most))
        prompt = Prompt(model=spec.model, messages=(system, ask), settings=settings)
        said: list[str] = []
        call = run.begin_call(prompt_cost(prompt.messages))
        async with aclosing(self._models.stream(prompt)) as deltas:
            async for delta in deltas:
                call.hear(delta)
                if isinstance(delta, TextDelta):
                    said.append(delta.text)
                if isinstance(delta, Finished) and (summary := "".join(said).strip()):
                    return summary
        raise ModelServiceBroken("The model summarised nothing.")


def _message(run: State, text: str, clock: Clock) -> Message:
    return Message(
        id=new_id(),
        session_id=run.work.run.session_id,
        run_id=run.work.run.id,
        role="system",
        content=text,
        parts=(TextPart(text),),
        created_at=clock.now(),
    )
