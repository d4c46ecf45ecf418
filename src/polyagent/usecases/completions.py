"""Completions: each is a run without a session; and what can be named as their model."""

from collections.abc import Sequence
from itertools import islice

from msgspec.structs import replace

from polyagent.domain.account import Actor
from polyagent.domain.agent import Agent
from polyagent.domain.chat import any_elsewhere
from polyagent.domain.completion import AGENT, CompletionAsk, Offer, id_of, offer_of, offers_of
from polyagent.domain.errors import (
    Fault,
    Invalid,
    ModelServiceMissing,
    ModelServiceUnavailable,
    ModelUnknown,
    NotFound,
    ToolsRefused,
)
from polyagent.domain.ids import new_id
from polyagent.domain.image import ImageLimits
from polyagent.domain.model import ModelInfo, PromptMessage
from polyagent.domain.page import PageAsk
from polyagent.domain.run import Admitted, IdempotencyKey, NewRun, Spec
from polyagent.ports.executor import Executor
from polyagent.ports.models import Models
from polyagent.ports.outbound import Outbound
from polyagent.ports.runs import Ground, Runs
from polyagent.ports.schemas import Schemas
from polyagent.ports.store import Store
from polyagent.usecases.admission import Admission
from polyagent.usecases.checks import model_info, require_sight, require_sound_form, usable_tools
from polyagent.usecases.documents.passage_search import PassageSearch
from polyagent.usecases.documents.search import with_documents
from polyagent.usecases.images import TakeImages

PAGE = 100
MODEL_SERVICE = "model-service"


class SendCompletion:
    def __init__(
        self,
        runs: Runs,
        executor: Executor,
        models: Models,
        outbound: Outbound,
        images: ImageLimits,
        schemas: Schemas,
        search: PassageSearch,
    ) -> None:
        self._runs = runs
        self._models = models
        self._schemas = schemas
        self._search = search
        self._admission = Admission(runs, executor)
        self._take_images = TakeImages(outbound, images)

    async def __call__(
        self, actor: Actor, ask: CompletionAsk, *, key: IdempotencyKey | None = None
    ) -> Admitted:
        """Admit a run that answers, and execute it here at once unless it must wait.

        Raises `ModelUnknown` (an agent too), `Impossible` (it is not active), `Invalid` (tools that
        clash), `ToolsRefused`, `ModalityUnsupported`, `ModelServiceMissing`, `IdempotencyKeyReused`,
        `Limited`, `StoreUnavailable`, and what `TakeImages` raises.
        """
        actor.require("chat")
        require_sound_form(self._schemas, ask.response_format)
        fetches = any(any_elsewhere(said.parts) for said in ask.given)
        return await self._admission(actor, key, lambda: self._stands(actor, ask), fetches=fetches)

    async def _stands(self, actor: Actor, ask: CompletionAsk) -> tuple[NewRun, Ground]:
        ground = await _ground(self._runs, actor, ask.agent)
        spec = _spec(actor, ask, ground.agent)
        _require_distinct(spec)
        info = await model_info(self._models, spec.model)
        require_sight(ask.parts, info)
        _require_hands(spec, info)
        spec = await with_documents(self._search, actor, spec, ask.parts)
        spec = replace(spec, given=await self._with_images(ask.given))
        run = NewRun(
            id=new_id(),
            message_id=new_id(),
            session_id=None,
            new_session=False,
            title=None,
            agent_id=ground.agent.id,
            agent_version=ground.agent.version,
            spec=spec,
            end_user=ask.end_user,
            metadata=ask.metadata,
        )
        return run, ground

    async def _with_images(self, given: tuple[PromptMessage, ...]) -> tuple[PromptMessage, ...]:
        at = [
            f"#/messages/{n}/content/{m}/image_url/url"
            for n, said in enumerate(given)
            for m in range(len(said.parts))
        ]
        parts = tuple(part for said in given for part in said.parts)
        taken = iter(await self._take_images(parts, at, since=_newest(given)))
        return tuple(replace(said, parts=tuple(islice(taken, len(said.parts)))) for said in given)


class FindModels:
    """What can be named as the model of a completion: agents, and the models of the model service."""

    def __init__(self, store: Store, runs: Runs, models: Models) -> None:
        self._store = store
        self._runs = runs
        self._models = models

    async def list(self, actor: Actor) -> Sequence[Offer]:
        """Return all of them; agents alone while there is no model service. Each can be used as it is called."""
        actor.require("chat")
        agents = offers_of(await self._agents(actor), actor.user_id)
        try:
            infos = await self._models.list()
        except (ModelServiceMissing, ModelServiceUnavailable):
            infos = ()
        models = (_offered(info) for info in infos if not info.name.startswith(AGENT))
        return (*agents, *models)

    async def get(self, actor: Actor, name: str) -> Offer:
        """Raises `ModelUnknown`, `ModelServiceMissing`, `ModelServiceUnavailable`."""
        actor.require("chat")
        if name.startswith(AGENT):
            named = name.removeprefix(AGENT)
            return offer_of((await _ground(self._runs, actor, named)).agent, named)
        return _offered(await self._models.info(name))

    async def _agents(self, actor: Actor) -> Sequence[Agent]:
        agents: list[Agent] = []
        cursor: str | None = None
        async with self._store.begin(actor) as tx:
            while True:
                page = await tx.agents.list(PageAsk(limit=PAGE, cursor=cursor, order="asc"))
                agents += page.items
                if (cursor := page.next_cursor) is None:
                    return agents


async def _ground(runs: Runs, actor: Actor, named: str | None) -> Ground:
    """Find the agent by its id or its name; for a bare model the `general` one lends its id, also at rest."""
    if named is None:
        return await runs.ground(
            actor,
            agent_id=None,
            agent_type="general",
            session_id=None,
            end_user=None,
            resting=True,
        )
    if (agent_id := id_of(named)) is not None:
        try:
            return await runs.ground(
                actor, agent_id=agent_id, agent_type=None, session_id=None, end_user=None
            )
        except NotFound:
            pass  # an agent may be called like an id
    try:
        return await runs.ground(
            actor,
            agent_id=None,
            agent_name=named,
            agent_type=None,
            session_id=None,
            end_user=None,
        )
    except NotFound as error:
        raise ModelUnknown(
            f"There is no model {AGENT}{named}: GET /v1/models lists them."
        ) from error


def _newest(given: tuple[PromptMessage, ...]) -> int:
    """Return where the parts of the last user message begin, among those of all."""
    users = [n for n, said in enumerate(given) if said.role == "user"]
    return sum(len(said.parts) for said in given[: users[-1] if users else 0])


def _spec(actor: Actor, ask: CompletionAsk, agent: Agent) -> Spec:
    bare = Spec(
        parts=ask.parts,
        model=ask.model,
        settings=ask.settings,
        response_format=ask.response_format,
        given=ask.given,
        client_tools=ask.tools,
        tool_choice=ask.tool_choice,
        parallel_tool_calls=ask.parallel_tool_calls,
    )
    if ask.agent is None:
        return bare
    return replace(
        bare,
        instructions=agent.instructions,
        model=agent.model,
        settings=bare.settings.over(agent.model_settings),
        tools=usable_tools(actor, agent.tools),
        tools_named=not agent.builtin,
        limits=agent.limits,
        document_ids=agent.document_ids,
        collection=agent.collection,
        in_doubt=agent.in_doubt,
    )


def _require_distinct(spec: Spec) -> None:
    for n, tool in enumerate(spec.client_tools):
        if tool.name in spec.tools:
            detail = f"The agent has a tool {tool.name!r} of its own: name yours otherwise."
            raise Invalid(detail, faults=(Fault(f"#/tools/{n}/function/name", detail),))
    choice, known = spec.tool_choice, [*spec.tools, *(tool.name for tool in spec.client_tools)]
    if isinstance(choice, dict) and (name := choice["function"]["name"]) not in known:
        detail = f"tool_choice names {name!r}, which is none of the tools."
        raise Invalid(detail, faults=(Fault("#/tool_choice", detail),))
    if choice == "required" and not known:
        detail = "tool_choice is required, and there are no tools."
        raise Invalid(detail, faults=(Fault("#/tool_choice", detail),))


def _require_hands(spec: Spec, info: ModelInfo | None) -> None:
    if spec.client_tools and info is not None and not info.tools:
        detail = f"The model {info.name} takes no tools: leave them out, or name another."
        raise ToolsRefused(detail, faults=(Fault("#/tools", detail),))


def _offered(info: ModelInfo) -> Offer:
    return Offer(id=info.name, owner=MODEL_SERVICE)
