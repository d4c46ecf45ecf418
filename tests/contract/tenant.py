"""The vocabulary of the contract tests: a workspace, and what people do in it."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from msgspec.structs import replace

from polyagent.domain.account import Account, Actor, Role, User
from polyagent.domain.agent import Agent, NewAgent
from polyagent.domain.chat import Session, TextPart
from polyagent.domain.documents.document import Chunk, Document
from polyagent.domain.ids import new_id
from polyagent.domain.page import Order, Page, PageAsk
from polyagent.domain.run import Admitted, IdempotencyKey, NewRun, Spec
from polyagent.ports.clock import Clock
from polyagent.ports.documents.documents import Indexes
from polyagent.ports.runs import Runs
from polyagent.ports.store import Store

T = TypeVar("T")


def chunks_of(document: Document, *texts: str, first: int = 0) -> list[Chunk]:
    return [
        Chunk(
            id=new_id(),
            document_id=document.id,
            n=first + n,
            text=text,
            page=1,
            start=n * 100,
            end=n * 100 + len(text),
            headings=("Top",),
            tokens=3,
        )
        for n, text in enumerate(texts)
    ]


class Tenant:
    """A workspace that nobody else uses, and what its people do in it."""

    def __init__(self, store: Store, runs: Runs, clock: Clock, indexes: Indexes) -> None:
        self.id = new_id()
        self.system = Actor.system(self.id)
        self.store = store
        self.runs = runs
        self.indexes = indexes
        self._clock = clock

    def now(self) -> datetime:
        return self._clock.now()

    def account(self, username: str, *, role: Role = "member", email: str | None = None) -> Account:
        now = self._clock.now()
        user = User(
            id=new_id(),
            workspace_id=self.id,
            username=username,
            email=email or f"{username}@example.org",
            role=role,
            created_at=now,
            updated_at=now,
        )
        return Account(user=user, password_hash="a hash")

    async def joins(self, username: str, *, role: Role = "member") -> Actor:
        account = self.account(username, role=role)
        async with self.store.begin(self.system) as tx:
            await tx.accounts.add(account)
        return Actor(user_id=account.user.id, workspace_id=self.id, role=role)

    def document(self, owner: Actor, **changes: Any) -> Document:
        document = Document(
            id=new_id(),
            workspace_id=self.id,
            owner_id=owner.user_id,
            filename="report.txt",
            content_type="text/plain",
            size_bytes=100,
            sha256=new_id().hex * 2,
            created_at=self._clock.now(),
        )
        return replace(document, **changes)

    async def indexed(self, owner: Actor, document: Document, *texts: str) -> None:
        """Index a document that has been added: a chunk for each of the texts."""
        build = await self.indexes.begin(owner, document.id, new_id())
        await self.indexes.write(build, chunks_of(document, *texts), progress=0.5)
        await self.indexes.finish(build)

    def agent(self, owner: Actor, new: NewAgent) -> Agent:
        now = self._clock.now()
        return Agent(
            **{field: getattr(new, field) for field in NewAgent.__struct_fields__},
            id=new_id(),
            workspace_id=self.id,
            owner_id=owner.user_id,
            version=1,
            created_at=now,
            updated_at=now,
        )

    async def makes(self, owner: Actor, new: NewAgent, *, builtin: bool = False) -> Agent:
        agent = replace(self.agent(owner, new), builtin=builtin)
        async with self.store.begin(owner) as tx:
            await tx.agents.add(agent)
        return agent

    async def asks(
        self,
        actor: Actor,
        agent: Agent,
        text: str = "hello",
        *,
        new: NewRun | None = None,
        queued: bool = False,
        key: IdempotencyKey | None = None,
    ) -> Admitted:
        """Admit a run of `text`; without `new`, which adjusts it, in a new session."""
        run = new or self.run(agent)
        run = replace(run, title=text, spec=Spec(parts=(TextPart(text),)))
        ground = await self.runs.ground(
            actor,
            agent_id=agent.id,
            agent_type=None,
            session_id=None if run.new_session else run.session_id,
            end_user=run.end_user,
        )
        worker_id = None if queued else new_id()
        return await self.runs.admit(actor, run, ground, worker_id=worker_id, key=key)

    def run(self, agent: Agent) -> NewRun:
        return NewRun(
            id=new_id(),
            message_id=new_id(),
            session_id=new_id(),
            new_session=True,
            title=None,
            agent_id=agent.id,
            agent_version=agent.version,
            spec=Spec(parts=()),
        )

    async def talks(
        self, actor: Actor, agent: Agent, text: str = "hello", *, end_user: str | None = None
    ) -> Session:
        """Return a session that a message made; its run goes on."""
        run = replace(self.run(agent), end_user=end_user)
        admitted = await self.asks(actor, agent, text, new=run)
        assert admitted.run.session_id is not None
        async with self.store.begin(actor) as tx:
            return await tx.sessions.get(admitted.run.session_id)


async def read_all(
    read: Callable[[PageAsk], Awaitable[Page[T]]], *, limit: int, order: Order = "desc"
) -> list[T]:
    """Read a list to its end, page by page."""
    page = await read(PageAsk(limit=limit, order=order))
    items = page.items
    while page.next_cursor is not None:
        page = await read(PageAsk(limit=limit, order=order, cursor=page.next_cursor))
        assert page.items
        assert len(page.items) <= limit
        items = items + page.items
    return items
