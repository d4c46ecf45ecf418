"""Webhooks, in PostgreSQL. Triggers of the tables of runs and tasks enqueue what is told to them."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import RowMapping, case, delete, func, insert, select, update

from polyagent.adapters.postgres.page import by_id, page_of
from polyagent.adapters.postgres.statements import Statements
from polyagent.adapters.postgres.tasks.room import WEBHOOKS, require_room
from polyagent.adapters.postgres.tasks.webhook_table import WebhookRow as W
from polyagent.domain.account import Actor
from polyagent.domain.errors import NotFound
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.webhook import Sealed, Webhook


class PostgresWebhooks:
    def __init__(self, statements: Statements, actor: Actor) -> None:
        self._statements = statements
        self._workspace_id = actor.workspace_id
        own = () if actor.is_admin else (W.user_id == actor.user_id,)
        self._visible = (W.workspace_id == actor.workspace_id, *own)

    async def add(self, webhook: Webhook, secret: bytes, *, most: int) -> None:
        owner = webhook.user_id
        await require_room(self._statements, WEBHOOKS, W.user_id, owner, most, "webhooks")
        also = {"workspace_id": self._workspace_id, "secret": secret}
        await self._statements.run(insert(W).values(msgspec.structs.asdict(webhook) | also))

    async def get(self, webhook_id: UUID, *, locked: bool = False) -> Webhook:
        found = select(*_COLUMNS).where(*self._visible, W.id == webhook_id)
        row = await self._statements.first(found.with_for_update() if locked else found)
        return _found(row, webhook_id)

    async def list(self, page: PageAsk) -> Page[Webhook]:
        found = select(*_COLUMNS).where(*self._visible)
        rows = await self._statements.all(by_id(found, W.id, page))
        return page_of(rows, page, lambda row: row["id"], _webhook)

    async def put(self, webhook: Webhook) -> Webhook:
        values = {name: getattr(webhook, name) for name in _CHANGING}
        return await self._change(webhook.id, values)

    async def rotate(self, webhook_id: UUID, secret: bytes, *, keep_s: float) -> Webhook:
        until = func.now() + timedelta(seconds=keep_s)
        values = {"secret": secret, "previous_secret": W.secret, "previous_until": until}
        return await self._change(webhook_id, values)

    async def _change(self, webhook_id: UUID, values: dict[str, Any]) -> Webhook:
        which = (*self._visible, W.id == webhook_id)
        change = update(W).where(*which).values(**values, updated_at=func.now())
        return _found(await self._statements.first(change.returning(*_COLUMNS)), webhook_id)

    async def sealed(self, webhook_id: UUID) -> tuple[Webhook, Sealed]:
        previous = case((W.previous_until > func.now(), W.previous_secret))
        found = select(*_COLUMNS, W.secret.label("current"), previous.label("previous"))
        row = await self._statements.first(found.where(*self._visible, W.id == webhook_id))
        if row is None:
            raise _absent(webhook_id)
        return _webhook(row), Sealed(row["current"], row["previous"])

    async def delete(self, webhook_id: UUID) -> UUID:
        gone = delete(W).where(*self._visible, W.id == webhook_id).returning(*_COLUMNS)
        return _found(await self._statements.first(gone), webhook_id).user_id


_COLUMNS = [getattr(W, name) for name in Webhook.__struct_fields__]
_CHANGING = (
    *("url", "events", "description", "status"),
    *("failing_since", "disabled_at", "disabled_reason"),
)


def _found(row: RowMapping | None, webhook_id: UUID) -> Webhook:
    if row is None:
        raise _absent(webhook_id)
    return _webhook(row)


def _webhook(row: RowMapping) -> Webhook:
    columns = {name: row[name] for name in Webhook.__struct_fields__}
    return Webhook(**columns | {"events": tuple(msgspec.json.decode(row["events"]))})


def _absent(webhook_id: UUID) -> NotFound:
    return NotFound(f"There is no webhook {webhook_id}.")
