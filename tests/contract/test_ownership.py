"""Every statement of every repository, by somebody whose business it is not.

The table has a call for each method of the ports; a new method fails the first test until it has one.
"""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import pytest
from msgspec.structs import replace

from polyagent.domain.account import Actor
from polyagent.domain.agent import NewAgent
from polyagent.domain.api_key import ApiKey
from polyagent.domain.audit import AuditEntry
from polyagent.domain.chat import PatchSession, TextPart
from polyagent.domain.errors import NotFound
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.run import IdempotencyKey, NewRun, Spec
from polyagent.domain.schedule import NewSchedule, made
from polyagent.domain.task import TaskAsk, TaskToQueue
from polyagent.domain.token_family import RefreshToken, TokenFamily
from polyagent.domain.webhook import Webhook
from polyagent.ports.runs import Runs
from polyagent.ports.store import Transaction
from tests.contract.tenant import Tenant

ALL = PageAsk(limit=100)
SCHEDULE = NewSchedule(name="daily", cron="@daily", timezone="UTC", task=TaskAsk(kind="tool"))
KEY = IdempotencyKey(key="k", route="chat", body_hash=b"x" * 32)


class Things(NamedTuple):
    """What ann has, one of each kind."""

    ann: Actor
    agent: UUID
    agent_name: str
    session: UUID
    message: UUID
    run: UUID
    api_key: UUID
    family: UUID
    token: RefreshToken
    task: UUID
    schedule: UUID
    webhook: Webhook
    document: UUID


class Reach(Protocol):
    def __call__(self, tx: Transaction, runs: Runs, actor: Actor, of: Things) -> Awaitable[Any]: ...


def _ground(runs: Runs, actor: Actor, **wanted: Any) -> Awaitable[Any]:
    given = {"agent_id": None, "agent_type": None, "session_id": None, "end_user": None}
    return runs.ground(actor, **{**given, **wanted})


async def _admit(runs: Runs, actor: Actor, of: Things) -> Any:
    """Say something in the session, which was ann's own when she looked."""
    ground = await _ground(runs, of.ann, session_id=of.session)
    new = NewRun(
        id=new_id(),
        message_id=new_id(),
        session_id=of.session,
        new_session=False,
        title=None,
        agent_id=of.agent,
        agent_version=1,
        spec=Spec(parts=(TextPart("mine"),)),
    )
    return await runs.admit(actor, new, ground, worker_id=None)


REACHES: dict[str, Reach] = {
    "accounts.by_id": lambda tx, runs, actor, of: tx.accounts.by_id(of.ann.user_id),
    "accounts.by_login": lambda tx, runs, actor, of: tx.accounts.by_login(
        username="ann", email=None
    ),
    "accounts.list": lambda tx, runs, actor, of: tx.accounts.list(ALL),
    "accounts.change": lambda tx, runs, actor, of: tx.accounts.change(
        of.ann.user_id, role="viewer"
    ),
    "accounts.delete": lambda tx, runs, actor, of: tx.accounts.delete(of.ann.user_id),
    "accounts.set_password": lambda tx, runs, actor, of: tx.accounts.set_password(
        of.ann.user_id, "x"
    ),
    "families.rotate": lambda tx, runs, actor, of: tx.families.rotate(
        of.token, b"k" * 32, idle_s=60
    ),
    "families.rotated": lambda tx, runs, actor, of: tx.families.rotated(of.token, within_s=60),
    "families.revoke_reused": lambda tx, runs, actor, of: tx.families.revoke_reused(
        replace(of.token, own=b"x" * 32)
    ),
    "families.revoke": lambda tx, runs, actor, of: tx.families.revoke(of.family),
    "families.revoke_all": lambda tx, runs, actor, of: tx.families.revoke_all(of.ann.user_id),
    "api_keys.list": lambda tx, runs, actor, of: tx.api_keys.list(ALL),
    "api_keys.delete": lambda tx, runs, actor, of: tx.api_keys.delete(of.api_key),
    "identities.find": lambda tx, runs, actor, of: tx.identities.find("issuer", "ann"),
    "audit.list": lambda tx, runs, actor, of: tx.audit.list(ALL),
    "agents.get": lambda tx, runs, actor, of: tx.agents.get(of.agent),
    "agents.list": lambda tx, runs, actor, of: tx.agents.list(ALL),
    "agents.change": lambda tx, runs, actor, of: tx.agents.change(
        of.agent, NewAgent(name="mine"), version=1
    ),
    "agents.delete": lambda tx, runs, actor, of: tx.agents.delete(of.agent, version=None),
    "agents.versions": lambda tx, runs, actor, of: tx.agents.versions(of.agent, ALL),
    "agents.at_version": lambda tx, runs, actor, of: tx.agents.at_version(of.agent, 1),
    "sessions.get": lambda tx, runs, actor, of: tx.sessions.get(of.session),
    "sessions.list": lambda tx, runs, actor, of: tx.sessions.list(
        ALL, end_user=None, agent_id=None
    ),
    "sessions.change": lambda tx, runs, actor, of: tx.sessions.change(
        of.session, PatchSession(title="mine")
    ),
    "sessions.fork": lambda tx, runs, actor, of: tx.sessions.fork(of.session, of.message),
    "sessions.delete": lambda tx, runs, actor, of: tx.sessions.delete(of.session),
    "sessions.messages": lambda tx, runs, actor, of: tx.sessions.messages(of.session, ALL),
    "tasks.get": lambda tx, runs, actor, of: tx.tasks.get(of.task),
    "tasks.list": lambda tx, runs, actor, of: tx.tasks.list(
        ALL, status=None, kind=None, end_user=None
    ),
    "tasks.cancel": lambda tx, runs, actor, of: tx.tasks.cancel(of.task),
    "tasks.retry": lambda tx, runs, actor, of: tx.tasks.retry(of.task),
    "tasks.stats": lambda tx, runs, actor, of: tx.tasks.stats(None, None),
    "schedules.get": lambda tx, runs, actor, of: tx.schedules.get(of.schedule),
    "schedules.list": lambda tx, runs, actor, of: tx.schedules.list(ALL),
    "schedules.change": lambda tx, runs, actor, of: tx.schedules.change(
        of.schedule, SCHEDULE, next_fire_at=None, version=None
    ),
    "schedules.delete": lambda tx, runs, actor, of: tx.schedules.delete(of.schedule, version=None),
    "schedules.due": lambda tx, runs, actor, of: tx.schedules.due(None, 10),
    "webhooks.get": lambda tx, runs, actor, of: tx.webhooks.get(of.webhook.id),
    "webhooks.list": lambda tx, runs, actor, of: tx.webhooks.list(ALL),
    "webhooks.put": lambda tx, runs, actor, of: tx.webhooks.put(replace(of.webhook, url="x")),
    "webhooks.rotate": lambda tx, runs, actor, of: tx.webhooks.rotate(
        of.webhook.id, b"mine", keep_s=0
    ),
    "webhooks.sealed": lambda tx, runs, actor, of: tx.webhooks.sealed(of.webhook.id),
    "webhooks.delete": lambda tx, runs, actor, of: tx.webhooks.delete(of.webhook.id),
    "documents.get": lambda tx, runs, actor, of: tx.documents.get(of.document),
    "documents.blob": lambda tx, runs, actor, of: tx.documents.blob(of.document),
    "documents.list": lambda tx, runs, actor, of: tx.documents.list(ALL),
    "documents.chunks": lambda tx, runs, actor, of: tx.documents.chunks(of.document, ALL),
    "documents.renew": lambda tx, runs, actor, of: tx.documents.renew(of.document),
    "documents.delete": lambda tx, runs, actor, of: tx.documents.delete(of.document, version=None),
    "runs.ground": lambda tx, runs, actor, of: _ground(runs, actor, session_id=of.session),
    "runs.ground: agent": lambda tx, runs, actor, of: _ground(runs, actor, agent_id=of.agent),
    "runs.ground: name": lambda tx, runs, actor, of: _ground(runs, actor, agent_name=of.agent_name),
    "runs.admit": lambda tx, runs, actor, of: _admit(runs, actor, of),
    "runs.replayed": lambda tx, runs, actor, of: runs.replayed(actor, KEY),
    "runs.get": lambda tx, runs, actor, of: runs.get(actor, of.run),
    "runs.list": lambda tx, runs, actor, of: runs.list(
        actor, ALL, session_id=of.session, status=None, end_user=None
    ),
    "runs.events": lambda tx, runs, actor, of: runs.events(actor, of.run, 0),
    "runs.latest": lambda tx, runs, actor, of: runs.latest(actor, [of.session]),
    "runs.cancel": lambda tx, runs, actor, of: runs.cancel(actor, of.run),
}
ADMINISTRATORS = (
    "accounts",
    "families.ro",
    "families.revoke_",
    "identities",
    "audit",
    "schedules.due",
)
"""The workspace alone is their border: use cases let administrators and the server itself at them."""
UNOWNED = {
    *(f"{name}.add" for name in ("accounts", "families", "api_keys", "identities", "audit")),
    *("agents.add", "accounts.logged_in", "runs.tails", "runs.journaled", "tasks.add"),
    *("tasks.waiting", "schedules.add", "schedules.now", "schedules.move", "webhooks.add"),
    "documents.add",
}
"""What brings its own owner along, or is asked by the server itself."""
PORTS = (
    "accounts",
    "families",
    "api_keys",
    "identities",
    "audit",
    "agents",
    "sessions",
    "tasks",
    "schedules",
    "webhooks",
    "documents",
)


async def _things(tenant: Tenant) -> Things:
    ann = await tenant.joins("ann")
    agent = await tenant.makes(ann, NewAgent(name="helper"))
    token = RefreshToken.new()
    family = TokenFamily(
        id=new_id(),
        user_id=ann.user_id,
        family_hash=token.family_hash,
        token_hash=token.own_hash,
        expires_at=tenant.now() + timedelta(days=1),
    )
    key = ApiKey(
        id=new_id(),
        user_id=ann.user_id,
        name="ci",
        scopes=["chat"],
        prefix="pa_x",
        created_at=tenant.now(),
    )
    async with tenant.store.begin(ann) as tx:
        await tx.families.add(family)
        await tx.api_keys.add(key, b"x" * 32)
        await tx.identities.add("issuer", "ann", ann.user_id)
        await tx.audit.add(AuditEntry(id=new_id(), at=tenant.now(), action="login"))
        asked = TaskToQueue(id=new_id(), user_id=ann.user_id, kind="tool", payload={})
        schedule = made(
            SCHEDULE,
            id=new_id(),
            user_id=ann.user_id,
            workspace_id=ann.workspace_id,
            version=1,
            next_fire_at=tenant.now() - timedelta(hours=1),
            created_at=tenant.now(),
            updated_at=tenant.now(),
        )
        await tx.schedules.add(schedule)
        webhook = Webhook(
            id=new_id(),
            user_id=ann.user_id,
            url="https://receiver.example",
            events=("*",),
            created_at=tenant.now(),
            updated_at=tenant.now(),
        )
        await tx.webhooks.add(webhook, b"sealed", most=1)
        document = tenant.document(ann)
        await tx.documents.add(document, str(document.id), most_bytes=1000)
        (task,) = await tx.tasks.add([asked])
    await tenant.indexed(ann, document, "what it says")
    admitted = await tenant.asks(ann, agent, key=KEY)
    session_id = admitted.run.session_id
    assert session_id is not None
    async with tenant.store.begin(ann) as tx:
        said = await tx.sessions.messages(session_id, ALL)
    return Things(
        ann=ann,
        agent=agent.id,
        agent_name=agent.name,
        session=session_id,
        message=said.items[0].id,
        run=admitted.run.id,
        api_key=key.id,
        family=family.id,
        token=token,
        task=task.id,
        schedule=schedule.id,
        webhook=webhook,
        document=document.id,
    )


async def _seen(tenant: Tenant, of: Things) -> list[Any]:
    """Return what ann sees of her things, and whether her login is alive."""
    async with tenant.store.begin(of.ann) as tx:
        run, events = await tenant.runs.events(of.ann, of.run, 0)
        return [
            await tx.accounts.by_id(of.ann.user_id),
            await tx.agents.versions(of.agent, ALL),
            await tx.sessions.list(ALL, end_user=None, agent_id=None),
            await tx.sessions.messages(of.session, ALL),
            await tx.api_keys.list(ALL),
            await tx.tasks.get(of.task),
            await tx.schedules.get(of.schedule),
            await tx.webhooks.sealed(of.webhook.id),
            await tx.documents.get(of.document),
            *(run, events),
        ]


async def _is_logged_in(tenant: Tenant, of: Things) -> bool:
    async with tenant.store.begin(of.ann) as tx:
        return await tx.families.rotate(of.token, b"k" * 32, idle_s=600) is not None


async def test_the_table_has_every_method_of_the_ports(tenant: Tenant) -> None:
    async with tenant.store.begin(tenant.system) as tx:
        ports = {name: getattr(Transaction, name).fget for name in PORTS}
        kinds = {name: get.__annotations__["return"] for name, get in ports.items()}
        assert all(getattr(tx, name) is not None for name in kinds)

    methods = {
        f"{name}.{method}"
        for name, kind in {**kinds, "runs": Runs}.items()
        for method in vars(kind)
        if not method.startswith("_")
    }

    assert {reach.partition(":")[0] for reach in REACHES} | UNOWNED == methods
    assert {name for name in vars(Transaction) if not name.startswith("_")} == set(PORTS)


@pytest.mark.parametrize("stranger", ["another", "namesake abroad", "administrator abroad"])
async def test_nobody_reaches_what_is_anothers(tenant: Tenant, stranger: str) -> None:
    of = await _things(tenant)
    ben = await tenant.joins("ben")
    actor = {
        "another": ben,
        "namesake abroad": replace(of.ann, workspace_id=new_id(), role="admin"),
        "administrator abroad": Actor.system(new_id()),
    }[stranger]
    before = await _seen(tenant, of)

    for name, reach in REACHES.items():
        if stranger == "another" and name.startswith(ADMINISTRATORS):
            continue
        assert not await _reached(tenant, reach, actor, of), name

    assert await _seen(tenant, of) == before
    assert await _is_logged_in(tenant, of)


async def _reached(tenant: Tenant, reach: Reach, actor: Actor, of: Things) -> bool:
    """Say whether the actor found or changed anything."""
    try:
        async with tenant.store.begin(actor) as tx:
            found = await reach(tx, tenant.runs, actor, of)
    except NotFound:
        return False
    return bool(getattr(found, "items", found))


async def test_the_owner_reaches_all_of_it(tenant: Tenant) -> None:
    """So that a call of the table that finds nothing for anybody proves nothing."""
    destructive = ("delete", "revoke", "rotate", "set_password", "change", "cancel")
    of = await _things(tenant)

    for name, reach in REACHES.items():
        if not name.partition(".")[2].startswith(destructive):
            assert await _reached(tenant, reach, of.ann, of), name


async def test_names_and_types_mean_agents_of_ones_own_workspace(
    tenant: Tenant, abroad: Tenant
) -> None:
    shared = NewAgent(name="helper", visibility="shared")
    general = NewAgent(name="general", type="general", visibility="shared")
    far = await abroad.joins("far")
    await abroad.makes(far, shared)
    await abroad.makes(far, general, builtin=True)
    ann, ben = await tenant.joins("ann"), await tenant.joins("ben")
    helper = await tenant.makes(ben, shared)
    builtin = await tenant.makes(ben, general, builtin=True)

    named = await _ground(tenant.runs, ann, agent_name="helper")
    usual = await _ground(tenant.runs, ann)

    assert (named.agent, usual.agent) == (helper, builtin)
