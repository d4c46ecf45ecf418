"""A house whose people have credentials of every kind, good and spoiled, and things of every kind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import jwt
import msgspec
from dishka import Provider, Scope

from polyagent.adapters.kinds.provider import KindsProvider
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.task_rows import Stored
from polyagent.app import App
from polyagent.domain.account import Account, Actor, Role, User, UserStatus
from polyagent.domain.agent import Agent, NewAgent, Visibility
from polyagent.domain.api_key import MadeApiKey, Secret, prefix_of
from polyagent.domain.chat import TextPart
from polyagent.domain.documents.document import Document
from polyagent.domain.ids import new_id
from polyagent.domain.run import NewRun, Spec
from polyagent.domain.schedule import NewSchedule, made
from polyagent.domain.task import TaskAsk, TaskToQueue
from polyagent.domain.token_family import RefreshToken, TokenFamily
from polyagent.domain.webhook import Webhook
from polyagent.ports.clock import Clock
from polyagent.ports.documents.blobs import Blobs
from polyagent.ports.runs import Runs
from polyagent.ports.store import Store
from polyagent.ports.vault import ForeignTokens, Passwords, TokenRing
from polyagent.settings import Auth, Limits, Settings, Telemetry
from polyagent.usecases.runs import ManageRuns
from tests.api.client import Client
from tests.api.house import SECRET, SETTINGS, House
from tests.api.sockets import Street, street
from tests.api.test_strangers import Embassy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2099, 1, 1, tzinfo=UTC)
PASSWORD = "correct horse"
MANY = 1_000_000


own = App()


@own.task
async def rests() -> None:
    """A kind of tasks that takes no further right."""


class Talk(NamedTuple):
    """A session, the answer in it, and a run of it that was cancelled."""

    session_id: UUID
    run_id: UUID
    message_id: UUID


class Town:
    def __init__(self, house: House, embassy: Embassy) -> None:
        self.house = house
        self.embassy = embassy
        self.password_hash = "none"

    async def settle(self) -> None:
        self.state = await self.house.container.get(State)
        self._store = await self.house.container.get(Store)
        self._ring = await self.house.container.get(TokenRing)
        self._runs = await self.house.container.get(Runs)
        self.now = (await self.house.container.get(Clock)).now
        self.password_hash = await (await self.house.container.get(Passwords)).hash(PASSWORD)
        self.ann = await self.user("member")
        self.bob = await self.user("member")
        self.vic = await self.user("viewer")
        self.root = await self.user("admin")
        self.far = await self.user("admin", workspace_id=new_id())

    async def user(
        self, role: Role, *, workspace_id: UUID | None = None, status: UserStatus = "active"
    ) -> User:
        user_id = new_id()
        user = User(
            id=user_id,
            workspace_id=workspace_id or Actor.system().workspace_id,
            username=f"u-{user_id.hex}",
            email=f"{user_id.hex}@house.example",
            role=role,
            status=status,
            created_at=NOW,
            updated_at=NOW,
        )
        async with self._store.begin(Actor.system(user.workspace_id)) as tx:
            await tx.accounts.add(Account(user=user, password_hash=self.password_hash))
        return user

    async def becomes(self, user: User, **values: Any) -> None:
        async with self._store.begin(Actor.system(user.workspace_id)) as tx:
            await tx.accounts.change(user.id, **values)

    async def leaves(self, user: User) -> None:
        async with self._store.begin(Actor.system(user.workspace_id)) as tx:
            await tx.accounts.delete(user.id)

    async def logs_in(self, user: User) -> tuple[str, str]:
        """Return an access token of a new login and its refresh token."""
        refresh = RefreshToken.new()
        family = TokenFamily(
            id=new_id(),
            user_id=user.id,
            family_hash=refresh.family_hash,
            token_hash=refresh.own_hash,
            expires_at=LATER,
        )
        async with self._store.begin(Actor.system(user.workspace_id)) as tx:
            await tx.families.add(family)
        token, _ = self._ring.issue(user.id, family_id=family.id)
        return token, refresh.text

    async def token(self, user: User) -> str:
        return (await self.logs_in(user))[0]

    async def client(self, user: User) -> Client:
        return self.house.nobody.with_token(await self.token(user))

    async def key(self, user: User, *scopes: Any, expires_at: datetime | None = None) -> MadeApiKey:
        """Make a key in the store: one of no scope too, and one that is over."""
        secret = Secret.new(new_id())
        key = MadeApiKey(
            id=secret.key_id,
            user_id=user.id,
            name="key",
            scopes=[*scopes],
            prefix=prefix_of(secret.key_id),
            created_at=NOW,
            expires_at=expires_at,
            secret=secret.text,
        )
        async with self._store.begin(actor_of(user)) as tx:
            await tx.api_keys.add(key, secret.hash)
        return key

    async def without_key(self, key: MadeApiKey, user: User) -> None:
        async with self._store.begin(actor_of(user)) as tx:
            await tx.api_keys.delete(key.id)

    async def forged(
        self, user: User, claims: dict[str, Any], header: dict[str, Any], **signing: Any
    ) -> str:
        """Sign a token of a login again, with other claims, another header, key or algorithm."""
        token = await self.token(user)
        payload = jwt.decode(token, options={"verify_signature": False})
        signing = {"key": SECRET, "algorithm": "HS256", **signing}
        headers = {**jwt.get_unverified_header(token), "alg": signing["algorithm"], **header}
        return jwt.encode({**payload, **claims}, headers=headers, **signing)

    async def agent(self, user: User, visibility: Visibility = "private") -> Agent:
        new = NewAgent(name=f"a-{new_id().hex}", visibility=visibility)
        agent = Agent(
            **{field: getattr(new, field) for field in NewAgent.__struct_fields__},
            id=new_id(),
            workspace_id=user.workspace_id,
            owner_id=user.id,
            version=1,
            created_at=NOW,
            updated_at=NOW,
        )
        async with self._store.begin(actor_of(user)) as tx:
            await tx.agents.add(agent)
        return agent

    async def talk(self, user: User) -> Talk:
        agent, client = await self.agent(user), await self.client(user)
        said = await self.house.chat(client, "a secret", agent_id=str(agent.id))
        assert said.status == 200, said.body
        session_id = UUID(said.json["session_id"])
        run_id = await self._cancelled(actor_of(user), session_id, agent)
        return Talk(session_id, run_id, UUID(said.json["message"]["id"]))

    async def _cancelled(self, actor: Actor, session_id: UUID, agent: Agent) -> UUID:
        new = NewRun(
            id=new_id(),
            message_id=new_id(),
            session_id=session_id,
            new_session=False,
            title=None,
            agent_id=agent.id,
            agent_version=1,
            spec=Spec(parts=(TextPart("a secret"),)),
        )
        ground = await self._runs.ground(
            actor, agent_id=agent.id, agent_type=None, session_id=session_id, end_user=None
        )
        await self._runs.admit(actor, new, ground, worker_id=None)
        await (await self.house.container.get(ManageRuns)).cancel(actor, new.id)
        return new.id

    async def webhook(self, user: User) -> tuple[UUID, UUID]:
        """Make a webhook, and a delivery to it that is due in years."""
        webhook = Webhook(
            id=new_id(),
            user_id=user.id,
            url="https://192.0.1.1/a-secret",
            events=("*",),
            created_at=NOW,
            updated_at=NOW,
        )
        asked = TaskToQueue(
            id=new_id(),
            user_id=user.id,
            kind="webhook",
            payload={"type": "a secret"},
            due_at=LATER,
            webhook_id=webhook.id,
        )
        async with self._store.begin(actor_of(user)) as tx:
            await tx.webhooks.add(webhook, b"sealed", most=MANY)
            await tx.tasks.add([asked], most=MANY)
        return webhook.id, asked.id

    async def task(self, user: User, status: Stored = "queued") -> UUID:
        """Make one that is due in years; `dead` as if it had failed."""
        asked = TaskToQueue(
            id=new_id(), user_id=user.id, kind="tool", payload={}, due_at=LATER, end_user="a secret"
        )
        async with self._store.begin(actor_of(user)) as tx:
            await tx.tasks.add([asked], most=MANY)
        row = self.state.tasks[asked.id]
        self.state.tasks[asked.id] = msgspec.structs.replace(row, status=status)
        return asked.id

    async def schedule(self, user: User) -> UUID:
        new = NewSchedule(
            name=f"s-{new_id().hex}", cron="@daily", timezone="UTC", task=TaskAsk(kind="rests")
        )
        columns = {"created_at": NOW, "updated_at": NOW, "next_fire_at": LATER, "version": 1}
        owner = {"user_id": user.id, "workspace_id": user.workspace_id}
        schedule = made(new, id=new_id(), **owner, **columns)
        async with self._store.begin(actor_of(user)) as tx:
            await tx.schedules.add(schedule)
        return schedule.id

    async def document(self, user: User) -> UUID:
        document = Document(
            id=new_id(),
            workspace_id=user.workspace_id,
            owner_id=user.id,
            filename="a secret.txt",
            content_type="text/plain",
            size_bytes=8,
            sha256=new_id().hex * 2,
            created_at=NOW,
        )
        blob = str(document.id)

        async def content() -> AsyncIterator[bytes]:
            yield b"a secret"

        await (await self.house.container.get(Blobs)).put(blob, content())
        async with self._store.begin(actor_of(user)) as tx:
            await tx.documents.add(document, blob, most_bytes=MANY)
        return document.id

    def snapshot(self) -> dict[str, Any]:
        """Return all that is stored, but for who asked: rows are frozen, so shallow copies do."""
        state = self.state
        tables = (
            "accounts",
            "families",
            "identities",
            "agents",
            "versions",
            "sessions",
            "runs",
            "tasks",
            "schedules",
            "webhooks",
            "documents",
        )
        return {
            **{name: dict(getattr(state, name)) for name in (*tables, "copies", "keys", "answers")},
            **{name: set(getattr(state, name)) for name in ("deleted_agents", "deleted_sessions")},
            "api_keys": set(state.api_keys),
            "said": {run: len(rows) for run, rows in state.messages.items()},
        }


def actor_of(user: User) -> Actor:
    return Actor(user_id=user.id, workspace_id=user.workspace_id, role=user.role)


@asynccontextmanager
async def town() -> AsyncIterator[Town]:
    embassy = Embassy()
    async with House(settings(), _letting_in(embassy), KindsProvider(own.kinds)).open() as house:
        found = Town(house, embassy)
        await found.settle()
        yield found


@asynccontextmanager
async def port_town() -> AsyncIterator[tuple[Town, Street]]:
    """A town with a port, for sockets."""
    embassy = Embassy()
    async with street(settings(), _letting_in(embassy)) as found:
        town = Town(found.house, embassy)
        await town.settle()
        yield town, found


def _letting_in(embassy: Embassy) -> Provider:
    given = Provider(scope=Scope.APP)
    given.provide(lambda: embassy, provides=ForeignTokens)
    return given


def settings() -> Settings:
    """Nobody is limited, and registration is open: refusals are for want of rights alone."""
    limits = Limits(address_requests=MANY, user_requests=MANY, failed_logins=MANY, queued_runs=MANY)
    auth = Auth(jwt_secret=SECRET, registration="open")
    quiet = Telemetry(access_log=False)
    return msgspec.structs.replace(SETTINGS, limits=limits, auth=auth, telemetry=quiet)
