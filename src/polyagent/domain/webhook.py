"""Webhooks: where a user hears of its runs and tasks, as https://www.standardwebhooks.com says."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from polyagent.domain.errors import EventUnknown, Fault, Invalid
from polyagent.domain.run import Run
from polyagent.domain.task import Attempt, Task, TaskStatus

EVENTS = (
    *("run.completed", "run.failed", "run.cancelled", "run.waiting"),
    *("task.succeeded", "task.dead", "task.cancelled"),
)
EVERY = "*"
PING = "ping"
KIND = "webhook"

MAX_ATTEMPTS = 10
ATTEMPT_S = 30.0
FAILING = timedelta(days=1)
ROTATED_S = 86_400.0

SECRET_PREFIX = "whsec_"  # noqa: S105  # what a secret begins with
SECRET_BYTES = (24, 64)

Status = Literal["active", "disabled"]
Events = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=20)]
Url = Annotated[str, msgspec.Meta(min_length=1, max_length=2048)]
Description = Annotated[str, msgspec.Meta(max_length=500)]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`secret` None: one is made."""

    url: Url
    events: Events
    description: Description = ""
    secret: str | None = None


class PatchWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    status: Status | UnsetType = UNSET


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """`failing_since`: no delivery has arrived from then on."""

    id: UUID
    user_id: UUID
    url: str
    events: Sequence[str]
    description: str = ""
    status: Status = "active"
    failing_since: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    created_at: datetime
    updated_at: datetime

    def hears(self, event: str) -> bool:
        return self.status == "active" and (event in self.events or EVERY in self.events)

    def after_failure(self, reason: str, now: datetime, *, at_once: bool) -> "Webhook":
        """Return it as a failed delivery leaves it: disabled after a day of nothing else, or at once."""
        since = self.failing_since or now
        changed = msgspec.structs.replace(self, failing_since=since)
        if self.status == "disabled" or not (at_once or now - since >= FAILING):
            return changed
        return changed.disabled(reason, now)

    def disabled(self, reason: str, now: datetime) -> "Webhook":
        return msgspec.structs.replace(
            self, status="disabled", disabled_at=now, disabled_reason=reason
        )

    def enabled(self) -> "Webhook":
        return msgspec.structs.replace(
            self, status="active", failing_since=None, disabled_at=None, disabled_reason=None
        )


class MadeWebhook(Webhook, frozen=True, kw_only=True):
    """`secret` is shown this once."""

    secret: str


class Sealed(msgspec.Struct, frozen=True):
    """Secrets as they are kept; `previous` is there while it still signs beside the current one."""

    current: bytes
    previous: bytes | None = None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way to a webhook. `message_id` is the header `webhook-id`."""

    id: UUID
    webhook_id: UUID | None
    message_id: str
    type: str
    status: TaskStatus
    attempts: Sequence[Attempt] = ()
    next_attempt_at: datetime | None = None
    created_at: datetime
    finished_at: datetime | None = None

    @classmethod
    def of(cls, task: Task) -> "Delivery":
        return cls(
            id=task.id,
            webhook_id=task.webhook_id,
            message_id=message_id(task.id, task.payload),
            type=str(task.payload.get("type")),
            status=task.status,
            attempts=task.attempts,
            next_attempt_at=task.next_attempt_at,
            created_at=task.created_at,
            finished_at=task.finished_at,
        )


class SendWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The payload of a user's own task of this kind: `body` is sent as JSON, unsigned."""

    url: Url
    body: Any = None
    headers: Annotated[dict[str, str], msgspec.Meta(max_length=50)] = {}


class WebhookPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How long a receiver may take, when a failed delivery is tried again, and how many webhooks a user has."""

    timeout_s: float
    retry_delays_s: Sequence[float]
    most: int

    def delay_s(self, tries: int) -> float:
        """Return how long to wait after so many attempts; the last delay goes for all behind it."""
        return self.retry_delays_s[min(tries, len(self.retry_delays_s)) - 1]


def require_known(events: Sequence[str]) -> None:
    """Raises `EventUnknown` that points at each which is none."""
    known = (*EVENTS, EVERY)
    detail = f"The events are {', '.join(known)}."
    faults = [Fault(f"#/events/{n}", detail) for n, name in enumerate(events) if name not in known]
    if faults:
        raise EventUnknown(detail, faults=tuple(faults))


def new_secret() -> bytes:
    return secrets.token_bytes(32)


def secret_text(secret: bytes) -> str:
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def read_secret(text: str) -> bytes:
    """Raises `Invalid`."""
    least, most = SECRET_BYTES
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(SECRET_PREFIX) or not least <= len(secret) <= most:
        detail = f"A secret is {SECRET_PREFIX} and the base64 of {least} to {most} bytes."
        raise Invalid(detail, faults=(Fault("#/secret", detail),))
    return secret


def message_id(task_id: UUID, payload: Mapping[str, Any]) -> str:
    """Return the id of what is sent: the same however often, also where another task sends it again."""
    return str(payload.get("message_id") or f"msg_{task_id.hex}")


def body_of(payload: Mapping[str, Any]) -> bytes:
    told = {name: payload.get(name) for name in ("type", "timestamp", "data")}
    return msgspec.json.encode(told)


def signatures(secrets_: Sequence[bytes], message: str, timestamp_s: int, body: bytes) -> str:
    """Return the header `webhook-signature`: one for each secret.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    signed = f"{message}.{timestamp_s}.".encode() + body
    digests = (hmac.digest(secret, signed, sha256) for secret in secrets_)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def told_of_run(run: Run, *, end_user: str | None) -> dict[str, Any]:
    """Return what a delivery tells of a run, under `data`."""
    return {
        "run_id": run.id,
        "session_id": run.session_id,
        "agent_id": run.agent_id,
        "status": run.status,
        "end_user": end_user,
        "error": run.error,
        "metadata": run.metadata,
    }


def told_of_task(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "kind": task.kind,
        "status": task.status,
        "unique_key": task.unique_key,
        "end_user": task.end_user,
        "error": task.error,
        "metadata": task.metadata,
    }
