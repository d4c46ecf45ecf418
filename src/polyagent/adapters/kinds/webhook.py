"""Tasks of the kind `webhook`: deliveries to webhooks, and what users send to an address of their choice."""

from functools import partial
from typing import Any
from uuid import UUID

import structlog

from polyagent.adapters.kinds.payload import payload_of
from polyagent.domain.account import Actor
from polyagent.domain.errors import AddressRefused, Fault, TaskGivenUp
from polyagent.domain.task import TaskWork
from polyagent.domain.webhook import ATTEMPT_S, KIND, MAX_ATTEMPTS, SendWebhook
from polyagent.ports.kinds import TaskControl
from polyagent.usecases.deliver_webhook import DeliverWebhook, Sent

log = structlog.get_logger("polyagent.webhooks")


class WebhookTasks:
    """Of a user's own task the payload is a `SendWebhook`; only deliveries have a webhook."""

    name = KIND
    max_attempts: int | None = MAX_ATTEMPTS
    timeout_s: float | None = ATTEMPT_S

    def __init__(self, deliver: DeliverWebhook) -> None:
        self._deliver = deliver

    def check(self, actor: Actor, payload: dict[str, Any]) -> None:
        actor.require("tasks:write")
        ask = payload_of(payload, SendWebhook)
        try:
            self._deliver.require_allowed(ask)
        except AddressRefused as error:
            raise AddressRefused(error.detail, faults=(Fault("#/url", error.detail),)) from error

    async def __call__(self, work: TaskWork, control: TaskControl) -> Sent:
        if work.actor is None:
            raise TaskGivenUp("There is nobody to send for.")
        if work.webhook_id is None:
            return await self._deliver.send(work, payload_of(work.payload, SendWebhook))
        return await self._deliver(
            work.actor, work.webhook_id, work, disabled=partial(_disabled, work.webhook_id)
        )


def _disabled(webhook_id: UUID, reason: str) -> None:
    log.warning("webhook.disabled", webhook_id=str(webhook_id), detail=reason)
