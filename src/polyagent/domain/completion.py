"""Completions: answers to a conversation that the client keeps, by an agent or a bare model."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from polyagent.domain.agent import Agent, Metadata, ModelSettings
from polyagent.domain.chat import Part
from polyagent.domain.model import PromptMessage, ToolChoice
from polyagent.domain.response_format import ResponseFormat
from polyagent.domain.tool import Tool

AGENT = "agent/"


class CompletionAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asks. `model` is the name of a model, or `agent/` and the name or id of an agent.

    `given` is the whole conversation, every call in it with its answer.
    """

    model: str
    given: tuple[PromptMessage, ...]
    settings: ModelSettings = ModelSettings()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    end_user: str | None = None
    metadata: Metadata = msgspec.field(default_factory=dict)

    @property
    def agent(self) -> str | None:
        """Return the name or id of the agent that is asked, None where a bare model is."""
        return self.model.removeprefix(AGENT) if self.model.startswith(AGENT) else None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the last user message."""
        said = (message.parts for message in reversed(self.given) if message.role == "user")
        return next(said, ())


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What a completion may name as its model; `created_at` None: nobody knows."""

    id: str
    owner: str
    created_at: datetime | None = None


def offers_of(agents: Sequence[Agent], user_id: UUID) -> Iterable[Offer]:
    """Offer each active agent, by its name where that means this very agent to the user, else by its id."""
    active = [agent for agent in agents if agent.status == "active"]
    meant: dict[str, Agent] = {}
    for agent in sorted(active, key=lambda agent: agent.precedence(user_id)):
        meant.setdefault(agent.name, agent)
    for agent in active:
        by_name = meant[agent.name] is agent and id_of(agent.name) is None
        yield offer_of(agent, agent.name if by_name else str(agent.id))


def offer_of(agent: Agent, named: str) -> Offer:
    return Offer(id=AGENT + named, owner="polyagent", created_at=agent.created_at)


def id_of(text: str) -> UUID | None:
    """Return the id that a text spells, if it does."""
    try:
        return UUID(text)
    except ValueError:
        return None
