"""Sending a message: the ask becomes a run, durable before anything else happens."""

from msgspec.structs import replace

from polyagent.domain.account import Actor
from polyagent.domain.agent import Agent
from polyagent.domain.chat import Ask, ImagePart, any_elsewhere
from polyagent.domain.errors import Fault, NotFound, NotSupported
from polyagent.domain.ids import new_id
from polyagent.domain.image import ImageLimits
from polyagent.domain.run import Admitted, IdempotencyKey, NewRun, Spec
from polyagent.ports.executor import Executor
from polyagent.ports.models import Models
from polyagent.ports.outbound import Outbound
from polyagent.ports.runs import Ground, Runs
from polyagent.ports.schemas import Schemas
from polyagent.ports.tools import Tools
from polyagent.usecases.admission import Admission
from polyagent.usecases.checks import (
    model_info,
    require_sight,
    require_sound_form,
    require_tools,
    usable_tools,
)
from polyagent.usecases.documents.passage_search import PassageSearch
from polyagent.usecases.documents.search import require_documents, with_documents
from polyagent.usecases.images import TakeImages


class SendChat:
    def __init__(
        self,
        runs: Runs,
        executor: Executor,
        models: Models,
        tools: Tools,
        outbound: Outbound,
        images: ImageLimits,
        schemas: Schemas,
        search: PassageSearch,
    ) -> None:
        self._runs = runs
        self._admission = Admission(runs, executor)
        self._models = models
        self._tools = tools
        self._take_images = TakeImages(outbound, images)
        self._schemas = schemas
        self._search = search

    async def __call__(
        self, actor: Actor, ask: Ask, *, key: IdempotencyKey | None = None
    ) -> Admitted:
        """Admit a run, and execute it here at once unless it must wait or is for the background.

        Raises `Invalid` (a schema), `NotFound` (session, agent, document), `AgentInactive`,
        `AgentGone`, `ToolUnknown`, `ModelUnknown`, `ModelServiceMissing`, `ModalityUnsupported`,
        `NotSupported`, `SessionBusy`, `IdempotencyKeyReused`, `Limited`, `StoreUnavailable`, and what `TakeImages` raises.
        """
        actor.require("chat")
        _require_supported(actor, ask)
        require_sound_form(self._schemas, ask.response_format)
        return await self._admission(
            actor,
            key,
            lambda: self._stands(actor, ask),
            fetches=any_elsewhere(ask.parts),
            background=ask.background,
        )

    async def _stands(self, actor: Actor, ask: Ask) -> tuple[NewRun, Ground]:
        ground = await self._runs.ground(
            actor,
            agent_id=ask.agent_id,
            agent_type=ask.agent_type,
            session_id=ask.session_id,
            end_user=ask.end_user,
        )
        await require_documents(
            self._search.retrieval, actor, ask.document_ids, "#/document_ids/{n}"
        )
        run = self._run(actor, ask, ground)
        pointer = "#/model" if ask.model else None
        require_sight(ask.parts, await model_info(self._models, run.spec.model, pointer=pointer))
        parts = await self._take_images(ask.parts)
        spec = await with_documents(
            self._search, actor, run.spec, ask.parts, attached=bool(ask.document_ids)
        )
        return replace(run, spec=replace(spec, parts=parts)), ground

    def _run(self, actor: Actor, ask: Ask, ground: Ground) -> NewRun:
        return NewRun(
            id=new_id(),
            message_id=new_id(),
            session_id=ask.session_id or new_id(),
            new_session=ask.session_id is None,
            title=ask.title,
            agent_id=ground.agent.id,
            agent_version=ground.agent.version,
            spec=self._spec(actor, ask, ground.agent),
            priority=ask.priority,
            end_user=ask.end_user,
            metadata=ask.metadata,
            reject_if_busy=ask.policy == "reject",
        )

    def _spec(self, actor: Actor, ask: Ask, agent: Agent) -> Spec:
        if ask.tools is not None:
            require_tools(self._tools, ask.tools, None if agent.builtin else agent.tools)
        named = agent.tools if ask.tools is None else ask.tools
        return Spec(
            parts=ask.parts,
            instructions=ask.instructions if ask.instructions is not None else agent.instructions,
            model=ask.model or agent.model,
            settings=ask.model_settings.over(agent.model_settings),
            tools=usable_tools(actor, named),
            tools_named=bool(ask.tools) or (ask.tools is None and not agent.builtin),
            limits=agent.limits,
            in_doubt=agent.in_doubt,
            response_format=ask.response_format,
            document_ids=ask.document_ids or agent.document_ids,
            collection=None if ask.document_ids else agent.collection,
        )


def _require_supported(actor: Actor, ask: Ask) -> None:
    if ask.policy in ("interrupt", "steer"):
        fault = Fault("#/policy", f"{ask.policy} comes in a later version; use enqueue or reject.")
        raise NotSupported(fault.detail, faults=(fault,))
    if ask.document_ids:
        actor.require("documents:read")
    for part in ask.parts:
        if isinstance(part, ImagePart) and part.document_id is not None:
            raise NotFound(f"There is no document {part.document_id} that is an image.")
