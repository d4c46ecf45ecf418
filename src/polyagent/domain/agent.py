"""Agents: instructions, a model, tools and limits under a name."""

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from polyagent.domain.errors import AgentInactive, Conflict, Fault
from polyagent.domain.misfit import misfit

BuiltinType = Literal["general", "code", "research"]
AgentType = Literal[BuiltinType, "custom"]
AgentStatus = Literal["active", "inactive", "archived"]
Visibility = Literal["private", "shared"]
InDoubt = Literal["tell_model", "fail"]
Approval = Literal["always", "never", "on_write"]

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Text = Annotated[str, msgspec.Meta(max_length=100_000)]
ToolNames = Annotated[tuple[str, ...], msgspec.Meta(max_length=128)]
Metadata = dict[str, Any]

STAYS = ("name", "type", "visibility")  # of a built-in agent


class ModelSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Passed on to the model service as they stand, under its own names."""

    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, msgspec.Meta(ge=-2, le=2)] | None = None
    seed: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    stop: Annotated[tuple[str, ...], msgspec.Meta(max_length=4)] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = (
        None
    )
    logit_bias: dict[str, Annotated[float, msgspec.Meta(ge=-100, le=100)]] | None = None

    def over(self, base: "ModelSettings") -> "ModelSettings":
        """Return `base` with what is set here in its place."""
        mine = {k: v for k, v in msgspec.structs.asdict(self).items() if v is not None}
        return msgspec.structs.replace(base, **mine)


class Limits(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """What one run may use. `max_output_tokens` counts all its model calls; None: the server's own limit."""

    max_steps: Annotated[int, msgspec.Meta(ge=1, le=1000)] | None = None
    max_output_tokens: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)] | None = None
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    budget: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] | None = None


class NewAgent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What its owner says of an agent: the body of POST and PUT."""

    name: Name
    type: AgentType = "custom"
    description: Text | None = None
    instructions: Text | None = None
    model: Name | None = None
    tools: ToolNames = ()
    document_ids: Annotated[tuple[UUID, ...], msgspec.Meta(max_length=1000)] = ()
    collection: Name | None = None
    model_settings: ModelSettings = ModelSettings()
    limits: Limits = Limits()
    approval: dict[str, Approval] = msgspec.field(default_factory=dict)
    in_doubt: InDoubt = "tell_model"
    visibility: Visibility = "private"
    status: AgentStatus = "active"
    metadata: Metadata = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("a name has at least one visible character")

    def tidied(self) -> "NewAgent":
        """Return it under a name that no other looks like: composed (NFC), without spaces around it."""
        name = unicodedata.normalize("NFC", self.name.strip())
        return msgspec.structs.replace(self, name=name)


class Agent(NewAgent, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """An agent at one version. `builtin` agents are the workspace's own and may use every built-in tool."""

    id: UUID
    workspace_id: UUID
    owner_id: UUID
    version: int
    builtin: bool = False
    created_at: datetime
    updated_at: datetime

    def precedence(self, user_id: UUID) -> tuple[bool, bool, bool, bool, UUID]:
        """Of several agents with one name a user means the one with the least: active, own, built-in, shared, older."""
        return (
            self.status != "active",
            self.owner_id != user_id,
            not self.builtin,
            self.visibility != "shared",
            self.id,
        )

    def ask(self) -> NewAgent:
        """Return what its owner said of it."""
        return NewAgent(**{f: getattr(self, f) for f in NewAgent.__struct_fields__})

    def require_changeable(self, new: NewAgent) -> None:
        """Raise `Conflict` if it is built in and `new` is not what clients ask for it by."""
        changed = [f for f in STAYS if self.builtin and getattr(self, f) != getattr(new, f)]
        if changed:
            faults = tuple(Fault(f"#/{f}", f"It stays {getattr(self, f)}.") for f in changed)
            raise Conflict(
                f"{self.name} is built in: its {' and '.join(changed)} cannot change.",
                faults=faults,
            )

    def require_active(self) -> None:
        if self.status != "active":
            raise AgentInactive(
                f"The agent {self.name} is {self.status}: make it active, or name another."
            )


def merged(agent: Agent, patch: dict[str, Any]) -> NewAgent:
    """Return `agent` changed by a JSON merge patch: null clears, objects merge.

    Raises `Invalid`. https://www.rfc-editor.org/rfc/rfc7396
    """
    body = merge(msgspec.to_builtins(agent.ask()), patch)
    body |= unknown_nulls(patch, NewAgent)
    for name, kind in _INNER.items():
        if isinstance(patch.get(name), dict):
            body[name] |= unknown_nulls(patch[name], kind)
    try:
        return msgspec.convert(body, NewAgent)
    except msgspec.ValidationError as error:
        raise misfit(error) from error


_INNER: dict[str, type[msgspec.Struct]] = {"model_settings": ModelSettings, "limits": Limits}


def unknown_nulls(patch: dict[str, Any], kind: type[msgspec.Struct]) -> dict[str, None]:
    """Return the nulls that merging would drop unseen, of fields that there are not: they are refused."""
    names = kind.__struct_fields__
    return {name: None for name, value in patch.items() if value is None and name not in names}


def merge(target: Any, patch: Any) -> Any:
    """Apply an RFC 7396 merge patch to JSON values; neither argument is changed."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result
