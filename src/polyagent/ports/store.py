"""The management nouns, in transactions. Every statement names the actor's workspace and rights."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol, TypedDict, Unpack
from uuid import UUID

from polyagent.domain.account import Account, Actor, Role, User, UserStatus
from polyagent.domain.agent import Agent, NewAgent
from polyagent.domain.api_key import ApiKey
from polyagent.domain.audit import AuditEntry
from polyagent.domain.chat import Message, PatchSession, Session
from polyagent.domain.page import Page, PageAsk
from polyagent.domain.schedule import Due, Firing, NewSchedule, Schedule
from polyagent.domain.task import Task, TaskStats, TaskStatus, TaskToQueue
from polyagent.domain.token_family import RefreshToken, TokenFamily
from polyagent.domain.webhook import Sealed, Webhook
from polyagent.ports.documents.documents import Documents


class UserChanges(TypedDict, total=False):
    email: str
    role: Role
    status: UserStatus
    settings: dict[str, Any]


class Accounts(Protocol):
    """Users of the actor's workspace."""

    async def add(self, account: Account) -> None:
        """Raises `NameTaken` if the username or the email (case folded) is in use."""

    async def by_id(self, user_id: UUID) -> Account:
        """Raises `NotFound`."""

    async def by_login(self, *, username: str | None, email: str | None) -> Account | None:
        """Return the account under that name, or that email; case does not count."""

    async def list(self, page: PageAsk) -> Page[User]: ...

    async def logged_in(self, user_id: UUID, at: datetime) -> None: ...

    async def change(self, user_id: UUID, **values: Unpack[UserChanges]) -> User:
        """Set what is given; a suspended user's running tasks are asked to end. Raises `NotFound`, `NameTaken`.

        `LastAdministrator` if the workspace had no active administrator then: those who ask at once
        take turns.
        """

    async def delete(self, user_id: UUID) -> None:
        """Take the user away: with its credentials, hiding its agents and sessions, cancelling its runs and tasks.

        Raises as `change` does.
        """

    async def set_password(self, user_id: UUID, password_hash: str) -> None:
        """Change the hash and raise the session version. Raises `NotFound`."""


class Families(Protocol):
    """The refresh tokens of the workspace's users, by their hashes, a family for each login."""

    async def add(self, family: TokenFamily) -> None: ...

    async def rotate(self, token: RefreshToken, key: bytes, *, idle_s: float) -> TokenFamily | None:
        """Put the successor that `key` makes in the place of its family's newest token, if it is that.

        Of many who ask at once one does. None: it is not, or the family was revoked, is past its end,
        or unused for `idle_s`; or its user may not act.
        """

    async def rotated(self, token: RefreshToken, *, within_s: float) -> TokenFamily | None:
        """Return the living family whose newest token replaced this one within so many seconds."""

    async def revoke_reused(self, token: RefreshToken) -> UUID | None:
        """End the family that this token is a dead one of, and return its user; else None."""

    async def revoke(self, family_id: UUID) -> None:
        """End a family of the actor's own, if there is one."""

    async def revoke_all(self, user_id: UUID, *, but: UUID | None = None) -> None:
        """End all families of a user, or all but one."""


class ApiKeys(Protocol):
    """API keys of the actor; an administrator sees the whole workspace's."""

    async def add(self, key: ApiKey, secret_hash: bytes) -> None: ...

    async def list(self, page: PageAsk) -> Page[ApiKey]: ...

    async def delete(self, key_id: UUID) -> UUID:
        """Return whose it was. Raises `NotFound`."""


class Identities(Protocol):
    """Which of the workspace's users other issuers vouch for, by whom they call so."""

    async def find(self, issuer: str, subject: str) -> UUID | None: ...

    async def add(self, issuer: str, subject: str, user_id: UUID) -> None:
        """Raises `Conflict` if there is such a one."""


class AuditLog(Protocol):
    """What was done in the workspace; nothing in it can be changed or deleted."""

    async def add(self, entry: AuditEntry) -> None: ...

    async def list(self, page: PageAsk) -> Page[AuditEntry]: ...


class Agents(Protocol):
    """Agents that the actor may see: its own, those shared in the workspace; an administrator: all."""

    async def add(self, agent: Agent) -> None:
        """Raises `NameTaken`: names are unique per owner."""

    async def get(self, agent_id: UUID) -> Agent:
        """Raises `NotFound`."""

    async def list(self, page: PageAsk) -> Page[Agent]: ...

    async def change(self, agent_id: UUID, ask: NewAgent, *, version: int) -> Agent:
        """Store `ask` as the version after `version`.

        Raises `NotFound` if it is not the actor's to change, `PreconditionFailed` if the agent is at
        another version, `NameTaken`.
        """

    async def delete(self, agent_id: UUID, *, version: int | None) -> None:
        """Hide the agent; its sessions stay readable. Raises as `change` does."""

    async def versions(self, agent_id: UUID, page: PageAsk) -> Page[Agent]:
        """Return the agent as it was at each version. Raises `NotFound`."""

    async def at_version(self, agent_id: UUID, version: int) -> Agent:
        """Raises `NotFound`."""


class Sessions(Protocol):
    """Sessions of the actor; an administrator sees the whole workspace's."""

    async def get(self, session_id: UUID) -> Session:
        """Raises `NotFound`."""

    async def list(
        self, page: PageAsk, *, end_user: str | None, agent_id: UUID | None
    ) -> Page[Session]: ...

    async def change(
        self, session_id: UUID, patch: PatchSession, *, version: int | None = None
    ) -> Session:
        """Set what is not UNSET, as the version after `version`; the metadata is merged (RFC 7396).

        `version` None: whatever it is now. Raises `NotFound`, `PreconditionFailed`.
        """

    async def fork(self, session_id: UUID, message_id: UUID) -> Session:
        """Make a session of the actor's that begins with copies of the messages up to that one.

        Copies have ids of their own and name the run that made them; they hold their calls as these
        stand now, open ones as cancelled. Costs a row a message. Raises `NotFound`, for a message of
        another session too.
        """

    async def delete(self, session_id: UUID, *, version: int | None = None) -> Sequence[UUID]:
        """Hide the session at once and ask its runs to be cancelled; return those that were running.

        Queued and waiting runs are cancelled there and then. Raises as `change` does.
        """

    async def messages(self, session_id: UUID, page: PageAsk) -> Page[Message]:
        """Raises `NotFound`."""


class Tasks(Protocol):
    """Tasks of the actor; an administrator sees the whole workspace's.

    What becomes due or is to wait is offered to the queue once the transaction is committed.
    """

    async def add(self, tasks: Sequence[TaskToQueue], *, most: int | None = None) -> Sequence[Task]:
        """Enqueue tasks in their order, whosever they are, and return them as they stand.

        In the place of one whose `unique_key` a live task of the same user and end user has, that one
        is returned; likewise the one that its schedule made for the same instant. Raises `TooManyOpen`
        if a user would have more than `most` waiting.
        """

    async def waiting(self, user_id: UUID) -> int:
        """Return how many tasks of a user wait, but for deliveries.

        Who asks this first is the only one to add, until its end.
        """

    async def get(self, task_id: UUID) -> Task:
        """Raises `NotFound`."""

    async def list(
        self,
        page: PageAsk,
        *,
        status: TaskStatus | None = None,
        kind: str | None = None,
        end_user: str | None = None,
        webhook_id: UUID | None = None,
    ) -> Page[Task]:
        """A page may have fewer than asked for though more follow: some megabytes of tasks fill it."""

    async def cancel(self, task_id: UUID) -> Task:
        """Cancel a task that waits; ask for that of one that runs. A cancelled one is returned as it is.

        Raises `NotFound`, `TaskFinished`.
        """

    async def retry(self, task_id: UUID) -> Task:
        """Queue a dead task again, with all its attempts before it. One that is live is returned as it is.

        Raises `NotFound`, `TaskFinished`, `Conflict` if a live task has its `unique_key`.
        """

    async def stats(self, since: datetime | None, until: datetime | None) -> Sequence[TaskStats]:
        """Count the tasks that were created in a span of time, by kind and status."""


class Schedules(Protocol):
    """Schedules of the actor; an administrator sees the whole workspace's."""

    async def now(self) -> datetime:
        """Return the time by which instants are due: the same throughout a transaction."""

    async def add(self, schedule: Schedule, *, most: int | None = None) -> None:
        """Raises `NameTaken`: names are unique per owner; `TooManyOpen` if that would have more than `most`."""

    async def get(self, schedule_id: UUID, *, to_change: bool = False) -> Schedule:
        """`to_change`: it does not fire until the transaction ends. Raises `NotFound`."""

    async def list(self, page: PageAsk) -> Page[Schedule]: ...

    async def change(
        self,
        schedule_id: UUID,
        ask: NewSchedule,
        *,
        next_fire_at: datetime | None,
        version: int | None,
    ) -> Schedule:
        """Store `ask` as the version after `version`; None: whatever it is now.

        Raises `NotFound`, `PreconditionFailed`, `NameTaken`.
        """

    async def delete(self, schedule_id: UUID, *, version: int | None) -> None:
        """Its tasks stay. Raises as `change` does."""

    async def due(self, after: Schedule | None, limit: int) -> Sequence[Due]:
        """Take what is due and comes after that one, by instant and id: nobody else has it meanwhile.

        What others have taken is left out.
        """

    async def move(self, firings: Sequence[Firing]) -> None:
        """Note what fired, and when it will again."""


class Webhooks(Protocol):
    """Webhooks of the actor; an administrator sees the whole workspace's.

    Whatever ends a run or a task enqueues, in the same transaction, a delivery to each webhook of its
    owner that hears of it: a task of the kind `webhook`, with the webhook's id.
    """

    async def add(self, webhook: Webhook, secret: bytes, *, most: int) -> None:
        """Raises `TooManyOpen` if its user would have more than `most`."""

    async def get(self, webhook_id: UUID, *, locked: bool = False) -> Webhook:
        """Return it; `locked`: nobody else changes it before the transaction ends. Raises `NotFound`."""

    async def list(self, page: PageAsk) -> Page[Webhook]: ...

    async def put(self, webhook: Webhook) -> Webhook:
        """Store it as it is given, changed now. Raises `NotFound`."""

    async def rotate(self, webhook_id: UUID, secret: bytes, *, keep_s: float) -> Webhook:
        """Sign with another secret, and for so many seconds with the one before too. Raises `NotFound`."""

    async def sealed(self, webhook_id: UUID) -> tuple[Webhook, Sealed]:
        """Raises `NotFound`."""

    async def delete(self, webhook_id: UUID) -> UUID:
        """Return whose it was. Raises `NotFound`."""


class Transaction(Protocol):
    @property
    def accounts(self) -> Accounts: ...

    @property
    def families(self) -> Families: ...

    @property
    def api_keys(self) -> ApiKeys: ...

    @property
    def identities(self) -> Identities: ...

    @property
    def audit(self) -> AuditLog: ...

    @property
    def agents(self) -> Agents: ...

    @property
    def sessions(self) -> Sessions: ...

    @property
    def tasks(self) -> Tasks: ...

    @property
    def schedules(self) -> Schedules: ...

    @property
    def webhooks(self) -> Webhooks: ...

    @property
    def documents(self) -> Documents: ...


class Store(Protocol):
    def begin(self, actor: Actor) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction: leave the block to commit, raise to undo.

        Anything in it may raise `StoreUnavailable`; then nothing was stored, unless it was the commit
        whose answer was lost.
        """
