"""The management nouns, in transactions. Every statement names the actor's workspace and rights."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from polyagent.domain.account import Account, Actor, User
from polyagent.domain.agent import Agent, NewAgent
from polyagent.domain.chat import Message, PatchSession, Session
from polyagent.domain.page import Page, PageAsk


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

    async def set_password(self, user_id: UUID, password_hash: str) -> None:
        """Change the hash and raise the session version. Raises `NotFound`."""

    async def is_empty(self) -> bool: ...


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


class Transaction(Protocol):
    @property
    def accounts(self) -> Accounts: ...

    @property
    def agents(self) -> Agents: ...

    @property
    def sessions(self) -> Sessions: ...


class Store(Protocol):
    def begin(self, actor: Actor) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction: leave the block to commit, raise to undo.

        Anything in it may raise `StoreUnavailable`; then nothing was stored, unless it was the commit
        whose answer was lost.
        """
