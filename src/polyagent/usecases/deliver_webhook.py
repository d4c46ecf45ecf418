"""Delivering what webhooks hear of, and what users' own tasks send."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from uuid import UUID

import msgspec

from polyagent.domain.account import Actor
from polyagent.domain.errors import (
    AddressRefused,
    DeliveryFailed,
    FetchFailed,
    NotFound,
    ReceiverGone,
    SealBroken,
    StoreUnavailable,
    TaskGivenUp,
)
from polyagent.domain.instant import retry_after_s
from polyagent.domain.outbound import Fetch, Fetched, require_headers
from polyagent.domain.task import TaskWork
from polyagent.domain.text import clean
from polyagent.domain.webhook import (
    Sealed,
    SendWebhook,
    Webhook,
    WebhookPolicy,
    body_of,
    message_id,
    signatures,
)
from polyagent.ports.clock import Clock
from polyagent.ports.outbound import Outbound
from polyagent.ports.store import Store
from polyagent.ports.vault import Seals
from polyagent.usecases.audit import Audit

MAX_ANSWER_BYTES = 262_144
EXCERPT = 200
GONE = 410


class Sent(msgspec.Struct, frozen=True):
    """That a receiver took it, and with what status."""

    status: int


class DeliverWebhook:
    """What fails is tried again after the delays of the policy; a receiver may ask for longer, up to a day."""

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

    def require_allowed(self, ask: SendWebhook) -> None:
        """Raises `AddressRefused`, and `Invalid` for headers that are not the user's to set."""
        require_headers(ask.headers)
        self._outbound.require_allowed(ask.url)

    async def send(self, work: TaskWork, ask: SendWebhook) -> Sent:
        """Send what a user's own task says. Raises `DeliveryFailed`, `ReceiverGone`, `AddressRefused`."""
        named = self._named(message_id(work.id, {}))
        given = {name: value for name, value in ask.headers.items() if name.lower() not in named}
        return await self._post(work, ask.url, msgspec.json.encode(ask.body), {**given, **named})

    async def __call__(
        self, actor: Actor, webhook_id: UUID, work: TaskWork, *, disabled: Callable[[str], None]
    ) -> Sent:
        """Deliver an event, signed; call `disabled` with the reason if its failure was one too many.

        Raises as `send` does, and `TaskGivenUp` for a webhook that is no more.
        """
        webhook, sealed = await self._find(actor, webhook_id)
        message, body = message_id(work.id, work.payload), body_of(work.payload)
        headers = self._signed(webhook, sealed, message, body)
        try:
            sent = await self._post(work, webhook.url, body, headers)
        except (DeliveryFailed, ReceiverGone, AddressRefused) as error:
            is_gone = isinstance(error, ReceiverGone)
            if await self._failed(actor, webhook, error.detail, is_gone=is_gone):
                disabled(error.detail)
            raise
        if webhook.failing_since is not None:
            await self._arrived(actor, webhook)
        return sent

    async def _find(self, actor: Actor, webhook_id: UUID) -> tuple[Webhook, Sealed]:
        try:
            async with self._store.begin(actor) as tx:
                webhook, sealed = await tx.webhooks.sealed(webhook_id)
        except NotFound as error:
            raise TaskGivenUp("The webhook was deleted.") from error
        if webhook.status == "disabled":
            raise TaskGivenUp("The webhook is disabled.")
        return webhook, sealed

    def _signed(
        self, webhook: Webhook, sealed: Sealed, message: str, body: bytes
    ) -> Mapping[str, str]:
        headers = self._named(message)
        kept = (sealed.current, *([sealed.previous] if sealed.previous else ()))
        try:
            secrets = [self._seals.open(each, webhook.id.bytes) for each in kept]
        except SealBroken as error:
            raise TaskGivenUp(f"{error.detail} Rotate the webhook's secret.") from error
        signed = signatures(secrets, message, int(headers["webhook-timestamp"]), body)
        return {**headers, "webhook-signature": signed}

    def _named(self, message: str) -> dict[str, str]:
        return {
            "content-type": "application/json",
            "webhook-id": message,
            "webhook-timestamp": str(int(self._clock.now().timestamp())),
        }

    async def _post(
        self, work: TaskWork, url: str, body: bytes, headers: Mapping[str, str]
    ) -> Sent:
        ask = Fetch(
            url=url,
            method="POST",
            headers=headers,
            body=body,
            max_bytes=MAX_ANSWER_BYTES,
            timeout_s=self._policy.timeout_s,
        )
        delay_s = self._policy.delay_s(work.tries)
        try:
            answer = await self._outbound.fetch(ask)
        except FetchFailed as error:
            raise DeliveryFailed(error.detail, retry_after_s=delay_s) from error
        if 200 <= answer.status < 300:
            return Sent(answer.status)
        if answer.status == GONE:
            raise ReceiverGone("The receiver answered 410: it is gone.")
        told_s = retry_after_s(answer.headers.get("retry-after", "").strip(), self._clock.now())
        raise DeliveryFailed(_why(answer), retry_after_s=max(delay_s, told_s or 0.0))

    async def _failed(self, actor: Actor, webhook: Webhook, reason: str, *, is_gone: bool) -> bool:
        """Note the failure, and say whether it disabled the webhook."""
        with suppress(NotFound, StoreUnavailable):
            async with self._store.begin(actor) as tx:
                was = await tx.webhooks.get(webhook.id, locked=True)
                left = was.after_failure(reason, self._clock.now(), at_once=is_gone)
                if left != was:
                    await tx.webhooks.put(left)
                if left.status == was.status:
                    return False
                details = {"owner_id": str(webhook.user_id), "reason": reason}
                await self._audit.note(
                    tx, "webhook.disabled", actor_id=None, object=webhook.id, details=details
                )
            return True
        return False

    async def _arrived(self, actor: Actor, webhook: Webhook) -> None:
        with suppress(NotFound, StoreUnavailable):
            async with self._store.begin(actor) as tx:
                was = await tx.webhooks.get(webhook.id, locked=True)
                if was.failing_since is not None and was.status == "active":
                    await tx.webhooks.put(was.enabled())


def _why(answer: Fetched) -> str:
    if 300 <= answer.status < 400:
        return (
            f"The receiver answered {answer.status}: redirects are not followed. "
            "Give the address that it leads to."
        )
    excerpt = " ".join(clean(answer.body[:EXCERPT].decode("utf-8", "replace")).split())
    return f"The receiver answered {answer.status}: {excerpt}".removesuffix(": ")
