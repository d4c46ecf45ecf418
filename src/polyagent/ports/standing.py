"""Whom credentials stand for, on every request's path."""

from collections.abc import Collection, Mapping
from typing import Protocol
from uuid import UUID

from polyagent.domain.account import Actor, Claims
from polyagent.domain.api_key import KeyOnFile


class Standing(Protocol):
    async def of(self, asked: Collection[Claims]) -> Mapping[Claims, Actor]:
        """Return whom claims stand for now, without those that were revoked or whose user may not act.

        One round trip for all of them. That a token has expired it does not look at; that a key was
        used it notes, and the audit log about once an hour or from another client. Raises `StoreUnavailable`.
        """

    async def key(self, key_id: UUID) -> KeyOnFile | None:
        """Return what never changes of an API key, if there is such a one. Raises `StoreUnavailable`."""
