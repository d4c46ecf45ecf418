"""A run's events as one completion."""

import msgspec

from polyagent.adapters.http.front.calls import text_of
from polyagent.adapters.http.front.wire import (
    CalledFunction,
    CompletionAnswer,
    CompletionCall,
    CompletionChoice,
    CompletionResponse,
    CompletionUsage,
    FinishReason,
    OutputDetails,
    PromptDetails,
)
from polyagent.domain.event import (
    EventBody,
    MessageCompleted,
    ReasoningDelta,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunResumed,
)
from polyagent.domain.run import RunError
from polyagent.domain.usage import Usage


class Whole:
    """Hears a run to its end: `usage` is known when it completed, `error` when it did not.

    With `is_formed`, where the answer must be JSON as a whole, it is what the last step said.
    """

    def __init__(self, *, is_formed: bool = False) -> None:
        self._is_formed = is_formed
        self.usage: Usage | None = None
        self.error: RunError | None = None
        self._steps: list[MessageCompleted] = []
        self._thoughts: dict[int, list[str]] = {}

    def hear(self, body: EventBody) -> None:
        match body:
            case ReasoningDelta(step=step, text=text):
                self._thoughts.setdefault(step, []).append(text)
            case MessageCompleted():
                self._steps.append(body)
            case RunResumed(discard_step=int(step)):
                self._thoughts.pop(step, None)
            case RunCompleted(usage=usage):
                self.usage = usage
            case RunFailed(code=code, detail=detail, retryable=retryable):
                self.error = RunError(code=code, detail=detail, retryable=retryable)
            case RunCancelled(reason=reason):
                self.error = RunError(code="cancelled", detail=reason)

    def completion(self, run_id: str, created: int, model: str, usage: Usage) -> CompletionResponse:
        choice = CompletionChoice(
            message=self._message(),
            finish_reason=finish_reason(self._last, called=bool(self._calls())),
        )
        return CompletionResponse(
            id=f"chatcmpl-{run_id}",
            created=created,
            model=model,
            choices=[choice],
            usage=usage_of(usage),
        )

    @property
    def _last(self) -> MessageCompleted | None:
        return self._steps[-1] if self._steps else None

    def _message(self) -> CompletionAnswer:
        calls = self._calls()
        steps = self._steps[-1:] if self._is_formed else self._steps
        text = "\n\n".join(step.message.content for step in steps if step.message.content)
        thoughts = "".join(text for _, texts in sorted(self._thoughts.items()) for text in texts)
        return CompletionAnswer(
            content=text or (None if calls else ""),
            reasoning_content=thoughts or msgspec.UNSET,
            tool_calls=calls or msgspec.UNSET,
            citations=[each for step in steps for each in step.message.citations] or msgspec.UNSET,
        )

    def _calls(self) -> list[CompletionCall]:
        """Return the last step's calls: a run that ends with some leaves them to its client."""
        return [
            CompletionCall(
                id=call.id,
                function=CalledFunction(name=call.name, arguments=text_of(call.arguments)),
            )
            for call in (self._last.message.tool_calls if self._last else ())
        ]


def finish_reason(last: MessageCompleted | None, *, called: bool) -> FinishReason:
    if last is not None and last.message.incomplete:
        return "content_filter" if last.finish_reason == "content_filter" else "length"
    return "tool_calls" if called else "stop"


def usage_of(usage: Usage) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=PromptDetails(usage.cached_input_tokens),
        completion_tokens_details=OutputDetails(usage.reasoning_tokens),
        estimated=usage.estimated,
    )
