"""The answer of a model while it comes in."""

from datetime import datetime

import msgspec

from polyagent.domain.chat import Citation, Message, TextPart
from polyagent.domain.event import EventBody, MessageDelta, ReasoningDelta, ToolArgumentsDelta
from polyagent.domain.ids import new_id
from polyagent.domain.model import CallDelta, Finished, ModelDelta, TextDelta, ThoughtDelta
from polyagent.domain.run import Run
from polyagent.domain.text import clean_json
from polyagent.domain.tool import ToolCall, arguments_of
from polyagent.ports.tools import Tools
from polyagent.usecases.execution.effects import effect_of


class _Call(msgspec.Struct):
    id: str
    name: str
    pieces: list[str] = []


class Draft:
    """Collects deltas of one step, and tells each as the event that it is."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.finished: Finished | None = None
        self._texts: list[str] = []
        self._calls: dict[int, _Call] = {}

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def is_empty(self) -> bool:
        return not self._calls and not self.text.strip()

    @property
    def has_calls(self) -> bool:
        return bool(self._calls)

    def add(self, delta: ModelDelta) -> EventBody | None:
        match delta:
            case TextDelta(text=text):
                return self.say(text)
            case ThoughtDelta(text=text):
                return ReasoningDelta(self.step, text)
            case CallDelta():
                return self._call(delta)
            case Finished():
                self.finished = delta
                return None

    def say(self, text: str) -> EventBody:
        self._texts.append(text)
        return MessageDelta(self.step, 0, text)

    def _call(self, delta: CallDelta) -> EventBody:
        known = delta.index in self._calls
        call = self._calls.setdefault(
            delta.index, _Call(id=f"call_{new_id().hex[-24:]}", name=delta.name or "")
        )
        call.pieces.append(delta.text)
        name = None if known else call.name
        return ToolArgumentsDelta(self.step, call.id, delta.text, name)

    def calls(self, tools: Tools) -> tuple[ToolCall, ...]:
        return tuple(
            ToolCall(
                id=call.id,
                name=call.name,
                arguments=clean_json(arguments_of("".join(call.pieces))),
                effect=effect_of(tools, call.name),
            )
            for _, call in sorted(self._calls.items())
        )

    def message(
        self,
        run: Run,
        at: datetime,
        calls: tuple[ToolCall, ...],
        *,
        citations: tuple[Citation, ...],
        incomplete: bool,
    ) -> Message:
        text = self.text
        return Message(
            id=new_id(),
            session_id=run.session_id,
            run_id=run.id,
            role="assistant",
            content=text,
            parts=(TextPart(text),) if text else (),
            tool_calls=calls,
            citations=citations,
            incomplete=incomplete,
            created_at=at,
        )
