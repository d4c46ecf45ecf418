"""Webhooks, in memory."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.page import paged
from polyagent.adapters.memory.state import State, WebhookRow
from polyagent.adapters.memory.undo import Undo
from polyagent.domain.account import Actor
from polyagent.domain.errors import NotFound, TooManyOpen
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.webhook import Sealed, Webhook
from polyagent.ports.clock import Clock


class MemoryWebhooks:
    def __init__(self, state: State, undo: Undo, actor: Actor, clock: Clock) -> None:
        self._state = state
        self._undo = undo
        self._actor = actor
        self._clock = clock

    async def add(self, webhook: Webhook, secret: bytes, *, most: int) -> None:
        users = [row.webhook.user_id for row in self._state.webhooks.values()]
        if users.count(webhook.user_id) >= most:
            raise TooManyOpen(f"A user has at most {most} webhooks: delete one first.")
        workspace_id = self._actor.workspace_id
        self._put(WebhookRow(webhook=webhook, workspace_id=workspace_id, secret=secret))

    async def get(self, webhook_id: UUID, *, locked: bool = False) -> Webhook:
        return self._row(webhook_id).webhook

    async def list(self, page: PageAsk) -> Page[Webhook]:
        return paged((row.webhook for row in self._visible()), page, lambda hook: hook.id.int)

    async def put(self, webhook: Webhook) -> Webhook:
        return self._changed(replace(self._row(webhook.id), webhook=webhook))

    async def rotate(self, webhook_id: UUID, secret: bytes, *, keep_s: float) -> Webhook:
        row = self._row(webhook_id)
        until = self._clock.now() + timedelta(seconds=keep_s)
        return self._changed(
            replace(row, secret=secret, previous_secret=row.secret, previous_until=until)
        )

    async def sealed(self, webhook_id: UUID) -> tuple[Webhook, Sealed]:
        row = self._row(webhook_id)
        is_good = row.previous_until is not None and row.previous_until > self._clock.now()
        return row.webhook, Sealed(row.secret, row.previous_secret if is_good else None)

    async def delete(self, webhook_id: UUID) -> UUID:
        row = self._row(webhook_id)
        self._undo.remove(self._state.webhooks, webhook_id)
        return row.webhook.user_id

    def _changed(self, row: WebhookRow) -> Webhook:
        webhook = replace(row.webhook, updated_at=self._clock.now())
        self._put(replace(row, webhook=webhook))
        return webhook

    def _put(self, row: WebhookRow) -> None:
        self._undo.put(self._state.webhooks, row.webhook.id, row)

    def _row(self, webhook_id: UUID) -> WebhookRow:
        for row in self._visible():
            if row.webhook.id == webhook_id:
                return row
        raise NotFound(f"There is no webhook {webhook_id}.")

    def _visible(self) -> Iterator[WebhookRow]:
        for row in self._state.webhooks.values():
            is_ours = row.workspace_id == self._actor.workspace_id
            if is_ours and (self._actor.is_admin or row.webhook.user_id == self._actor.user_id):
                yield row
