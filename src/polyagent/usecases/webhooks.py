"""Webhooks: made, changed, tried out, and what was delivered to them."""

from typing import Any
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import asdict, replace

from polyagent.domain.account import Actor
from polyagent.domain.errors import AddressRefused, Conflict, Fault, NotFound
from polyagent.domain.ids import new_id
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.task import Task, TaskToQueue
from polyagent.domain.webhook import (
    ATTEMPT_S,
    KIND,
    MAX_ATTEMPTS,
    PING,
    ROTATED_S,
    Delivery,
    MadeWebhook,
    NewWebhook,
    PatchWebhook,
    Webhook,
    WebhookPolicy,
    message_id,
    new_secret,
    read_secret,
    require_known,
    secret_text,
)
from polyagent.ports.clock import Clock
from polyagent.ports.outbound import Outbound
from polyagent.ports.store import Store, Transaction
from polyagent.ports.vault import Seals
from polyagent.usecases.audit import Audit

ASKED = "It was asked for."


class ManageWebhooks:
    def __init__(
        self,
        store: Store,
        outbound: Outbound,
        seals: Seals,
        clock: Clock,
        audit: Audit,
        policy: WebhookPolicy,
    ) -> None:
        self._store = store
        self._outbound = outbound
        self._seals = seals
        self._clock = clock
        self._audit = audit
        self._policy = policy

    async def create(self, actor: Actor, new: NewWebhook) -> MadeWebhook:
        """Raises `EventUnknown`, `AddressRefused`, `Invalid` for a secret that is none, `TooManyOpen`."""
        actor.require("tasks:write")
        require_known(new.events)
        secret = new_secret() if new.secret is None else read_secret(new.secret)
        await self._judge(new.url)
        now = self._clock.now()
        webhook = Webhook(
            id=new_id(),
            user_id=actor.user_id,
            url=new.url,
            events=new.events,
            description=new.description,
            created_at=now,
            updated_at=now,
        )
        sealed = self._seals.seal(secret, webhook.id.bytes)
        async with self._store.begin(actor) as tx:
            await tx.webhooks.add(webhook, sealed, most=self._policy.most)
            await self._note(tx, actor, "webhook.created", webhook.id)
        return MadeWebhook(**asdict(webhook), secret=secret_text(secret))

    async def get(self, actor: Actor, webhook_id: UUID) -> Webhook:
        """Raises `NotFound`."""
        actor.require("tasks:read")
        async with self._store.begin(actor) as tx:
            webhook = await tx.webhooks.get(webhook_id)
        await self._see(actor, webhook)
        return webhook

    async def list(self, actor: Actor, page: PageAsk) -> Page[Webhook]:
        actor.require("tasks:read")
        await self._audit.seen_list(actor, "webhook.read")
        async with self._store.begin(actor) as tx:
            return await tx.webhooks.list(page)

    async def change(self, actor: Actor, webhook_id: UUID, patch: PatchWebhook) -> Webhook:
        """Set what is given; one that becomes active again has failed at nothing yet.

        Raises as `create` does, and `NotFound`.
        """
        actor.require("tasks:write")
        if patch.events is not UNSET:
            require_known(patch.events)
        if patch.url is not UNSET:
            await self._judge(patch.url)
        async with self._store.begin(actor) as tx:
            webhook = await tx.webhooks.get(webhook_id, locked=True)
            changed = await tx.webhooks.put(self._patched(webhook, patch))
            await self._note(tx, actor, "webhook.changed", webhook_id)
        return changed

    def _patched(self, webhook: Webhook, patch: PatchWebhook) -> Webhook:
        given: dict[str, Any] = {
            n: value for n, value in asdict(patch).items() if value is not UNSET
        }
        status = given.pop("status", webhook.status)
        since = webhook.failing_since if given.get("url") in (None, webhook.url) else None
        webhook = replace(webhook, **given, failing_since=since)
        if status == webhook.status:
            return webhook
        return (
            webhook.enabled() if status == "active" else webhook.disabled(ASKED, self._clock.now())
        )

    async def delete(self, actor: Actor, webhook_id: UUID) -> None:
        """Raises `NotFound`."""
        actor.require("tasks:write")
        async with self._store.begin(actor) as tx:
            await tx.webhooks.delete(webhook_id)
            await self._note(tx, actor, "webhook.deleted", webhook_id)

    async def rotate(self, actor: Actor, webhook_id: UUID) -> MadeWebhook:
        """Raises `NotFound`."""
        actor.require("tasks:write")
        secret = new_secret()
        sealed = self._seals.seal(secret, webhook_id.bytes)
        async with self._store.begin(actor) as tx:
            webhook = await tx.webhooks.rotate(webhook_id, sealed, keep_s=ROTATED_S)
            await self._note(tx, actor, "webhook.changed", webhook_id)
        return MadeWebhook(**asdict(webhook), secret=secret_text(secret))

    async def ping(self, actor: Actor, webhook_id: UUID) -> Delivery:
        """Send it an event `ping`, whatever it hears of. Raises `NotFound`, `Conflict` if it is disabled."""
        actor.require("tasks:write")
        payload = {
            "type": PING,
            "timestamp": self._clock.now().isoformat(),
            "data": {"webhook_id": str(webhook_id)},
        }
        async with self._store.begin(actor) as tx:
            webhook = _active(await tx.webhooks.get(webhook_id))
            await self._note_sent(tx, actor, webhook)
            return Delivery.of(await _send(tx, webhook, payload))

    async def deliveries(self, actor: Actor, webhook_id: UUID, page: PageAsk) -> Page[Delivery]:
        """Raises `NotFound`."""
        actor.require("tasks:read")
        async with self._store.begin(actor) as tx:
            webhook = await tx.webhooks.get(webhook_id)
            found = await tx.tasks.list(page, webhook_id=webhook_id)
        await self._see(actor, webhook)
        items = [Delivery.of(task) for task in found.items]
        return Page(items=items, next_cursor=found.next_cursor)

    async def redeliver(self, actor: Actor, webhook_id: UUID, delivery_id: UUID) -> Delivery:
        """Send it again, under the same `webhook-id`; one that is still under way is returned as it is.

        Raises `NotFound`, `Conflict` if the webhook is disabled.
        """
        actor.require("tasks:write")
        async with self._store.begin(actor) as tx:
            webhook = _active(await tx.webhooks.get(webhook_id))
            task = await tx.tasks.get(delivery_id)
            if task.webhook_id != webhook_id:
                raise NotFound(f"The webhook has no delivery {delivery_id}.")
            await self._note_sent(tx, actor, webhook)
            return Delivery.of(await self._again(tx, webhook, task))

    async def _again(self, tx: Transaction, webhook: Webhook, task: Task) -> Task:
        if task.is_live:
            return task
        if task.status == "dead":
            return await tx.tasks.retry(task.id)
        named = {**task.payload, "message_id": message_id(task.id, task.payload)}
        return await _send(tx, webhook, named)

    async def _judge(self, url: str) -> None:
        try:
            await self._outbound.judge(url)
        except AddressRefused as error:
            raise AddressRefused(error.detail, faults=(Fault("#/url", error.detail),)) from error

    async def _see(self, actor: Actor, webhook: Webhook) -> None:
        await self._audit.seen_theirs(actor, "webhook.read", webhook.user_id, webhook.id)

    async def _note_sent(self, tx: Transaction, actor: Actor, webhook: Webhook) -> None:
        await self._audit.note_theirs(
            tx, "webhook.sent", actor, webhook.user_id, object_id=webhook.id
        )

    async def _note(self, tx: Transaction, actor: Actor, action: Any, webhook_id: UUID) -> None:
        await self._audit.note(tx, action, actor_id=actor.user_id, object=webhook_id)


def _active(webhook: Webhook) -> Webhook:
    if webhook.status == "disabled":
        raise Conflict("The webhook is disabled: set its status to active first.")
    return webhook


async def _send(tx: Transaction, webhook: Webhook, payload: dict[str, Any]) -> Task:
    asked = TaskToQueue(
        id=new_id(),
        user_id=webhook.user_id,
        kind=KIND,
        payload=payload,
        max_attempts=MAX_ATTEMPTS,
        timeout_s=ATTEMPT_S,
        webhook_id=webhook.id,
    )
    (task,) = await tx.tasks.add([asked])
    return task
