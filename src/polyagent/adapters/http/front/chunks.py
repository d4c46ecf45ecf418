"""A run's events as the chunks of a streamed completion.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

import time
from collections.abc import Iterator
from typing import Any

import msgspec

from polyagent.adapters.http.catalogue import entry
from polyagent.adapters.http.front.calls import Calls
from polyagent.adapters.http.front.errors import answer_of
from polyagent.adapters.http.front.spelling import Diverged, Held, Spelling
from polyagent.adapters.http.front.whole import finish_reason, usage_of
from polyagent.adapters.http.front.wire import FinishReason
from polyagent.adapters.http.stream import PING, Over
from polyagent.domain.chat import Citation
from polyagent.domain.event import (
    EPOCH,
    Event,
    EventBody,
    MessageCompleted,
    MessageDelta,
    ReasoningDelta,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunResumed,
    ToolArgumentsDelta,
    ToolCalled,
)
from polyagent.domain.usage import Usage

GAP = "\n\n"  # between the texts of two steps
PING_S = 15.0
DONE = b"data: [DONE]\n\n"
RESUMED = (
    "The answer was begun anew and reads otherwise now: ask again, with the same Idempotency-Key "
    "to get it as it has become."
)
STOPPING = (
    "The server stops. The answer goes on elsewhere: send the same request again, which with the "
    "same Idempotency-Key leads back to it."
)

_ENCODE = msgspec.json.Encoder().encode


class Chunks:
    """Writes events; text is never taken back, so that what is told anew is skipped as far as it was sent.

    Of calls, those of the client's tools are shown: with `live_calls`, where all are, as they come; else
    once it is sure that the run ends with them. With `is_formed`, where the answer must be JSON as a whole,
    the last step's text is shown, and only when nothing can be said against it any more. What the text
    cites is told before its end.
    """

    def __init__(
        self,
        run_id: str,
        created: int,
        model: str,
        *,
        live_calls: bool,
        with_usage: bool,
        is_formed: bool = False,
    ) -> None:
        head: dict[str, Any] = {"id": f"chatcmpl-{run_id}", "object": "chat.completion.chunk"}
        head |= {"created": created, "model": model}
        self._head = b"data: " + _ENCODE(head)[:-1]
        self._prefix = self._head + b',"choices":[{"index":0,"delta":'
        usage = b',"usage":null' if with_usage else b""
        self._suffix = b',"logprobs":null,"finish_reason":null}]' + usage + b"}\n\n"
        self._text_prefix = self._prefix + b'{"content":'
        self._text_suffix = b"}" + self._suffix
        self._live_calls = live_calls
        self._with_usage = with_usage
        self._is_formed = is_formed
        self.has_begun = False
        self._ping_at = time.monotonic() + PING_S
        self._last_id = 0
        self._step = 0
        self._text = self._spelling()
        self._gap = ""
        self._said_before = False
        self._thought = self._mute = False
        self._calls = Calls()
        self._called: list[ToolCalled] = []
        self._ended: MessageCompleted | None = None
        self._citations: list[Citation] = []

    def __call__(self, event: Event | None) -> bytes:
        """Return the chunks of an event; the first begin with the role. Raises `Over` where it cannot go on."""
        if event is None:
            return PING
        try:
            ready = self._told(event)
        except Diverged:
            raise Over(error_chunk("run_resumed", RESUMED, 503)) from None
        if not ready:
            return self._ping()
        return ready if self.has_begun else self.begin() + ready

    def begin(self) -> bytes:
        self.has_begun = True
        return self._delta({"role": "assistant", "content": ""})

    def _ping(self) -> bytes:
        """Keep the connection while things happen that are not shown."""
        now = time.monotonic()
        if not self.has_begun or now < self._ping_at:
            return b""
        self._ping_at = now + PING_S
        return PING

    def _told(self, event: Event) -> bytes:
        number, body = event.id, event.body
        is_gap = number != self._last_id + 1 and number % EPOCH != 1
        self._last_id = number
        if type(body) is MessageDelta and body.step == self._step and not is_gap:
            return self._content(self._text.add(body.text))
        step = getattr(body, "step", self._step)
        if step != self._step:
            self._begin_step(step)
        if is_gap:
            self._breaks()
        return self._rarer(body)

    def _rarer(self, body: EventBody) -> bytes:
        match body:
            case MessageDelta(text=text):
                return self._content(self._text.add(text))
            case ReasoningDelta():
                return self._reasoning(body)
            case ToolArgumentsDelta():
                return self._arguments(body)
            case MessageCompleted():
                return self._completed(body)
            case ToolCalled():
                return self._called_tool(body)
            case RunResumed():
                self._resume(body)
            case RunCompleted(usage=usage):
                return self._end(usage)
            case RunFailed(code=code, detail=detail):
                raise Over(error_chunk(code, detail, entry(code).status))
            case RunCancelled(reason=reason):
                raise Over(error_chunk("cancelled", reason, 409))
        return b""

    def _begin_step(self, step: int) -> None:
        self._said_before = self._said_before or bool(self._text.sent)
        self._gap = GAP if self._said_before else ""
        self._step, self._text, self._calls = step, self._spelling(), Calls()
        self._called = []
        self._thought = self._mute = False

    def _spelling(self) -> Spelling:
        return Held() if self._is_formed else Spelling()

    def _content(self, text: str) -> bytes:
        if not text:
            return b""
        if self._gap:
            text, self._gap = self._gap + text, ""
        return self._text_prefix + _ENCODE(text) + self._text_suffix

    def _reasoning(self, body: ReasoningDelta) -> bytes:
        if self._mute:
            return b""
        self._thought = True
        return self._delta({"reasoning_content": body.text})

    def _arguments(self, body: ToolArgumentsDelta) -> bytes:
        if not self._live_calls:
            return b""
        return self._tool_calls(self._calls.add(body.tool_call_id, body.name, body.text))

    def _completed(self, body: MessageCompleted) -> bytes:
        self._ended = body
        if self._is_formed:
            self._citations = [*body.message.citations]
            return b""
        self._citations += body.message.citations
        return self._content(self._text.finish(body.message.content))

    def _called_tool(self, body: ToolCalled) -> bytes:
        if not self._live_calls:
            self._called.append(body)
            return b""
        return self._tool_calls(self._finished(body))

    def _finished(self, body: ToolCalled) -> Iterator[dict[str, Any]]:
        return self._calls.finish(body.tool_call_id, body.name, body.arguments)

    def _resume(self, body: RunResumed) -> None:
        if body.discard_step == self._step:
            self._text.restart()
            self._calls.restart()
            self._called = []
            self._mute = self._thought

    def _breaks(self) -> None:
        self._text.breaks()
        self._calls.breaks()

    def _end(self, usage: Usage) -> bytes:
        late = [delta for body in self._called for delta in self._finished(body)]
        self._calls.require_all()
        ready = [self._formed(), self._tool_calls(iter(late))]
        if not self.has_begun:
            ready.insert(0, self.begin())
        if self._citations:
            ready.append(self._delta({"citations": self._citations}))
        ready.append(self._finish(finish_reason(self._ended, called=bool(self._calls))))
        if self._with_usage:
            told = _ENCODE(usage_of(usage))
            ready.append(self._head + b',"choices":[],"usage":' + told + b"}\n\n")
        return b"".join([*ready, DONE])

    def _formed(self) -> bytes:
        if not self._is_formed or self._ended is None:
            return b""
        return self._content(self._text.finish(self._ended.message.content))

    def _finish(self, reason: FinishReason) -> bytes:
        return self._prefix + b"{}" + self._suffix.replace(b"null}]", b'"%b"}]' % reason.encode())

    def _tool_calls(self, deltas: Iterator[dict[str, Any]]) -> bytes:
        return b"".join(self._delta({"tool_calls": [delta]}) for delta in deltas)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._prefix + _ENCODE(delta) + self._suffix


def error_chunk(code: str, detail: str, status: int) -> bytes:
    return b"data: " + _ENCODE(answer_of(code, detail, status)) + b"\n\n"
