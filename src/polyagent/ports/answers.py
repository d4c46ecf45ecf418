from typing import Protocol
from uuid import UUID

from polyagent.domain.account import Actor
from polyagent.domain.answer import KeptAnswer
from polyagent.domain.run import IdempotencyKey


class Answers(Protocol):
    """Answers under idempotency keys; a key is its user's, end user's and route's.

    A key is free, held for `HELD_S` by who works under it, or has an answer, for 24 hours from the
    start of that work. One that is held no longer, or was kept for so long, is free again.
    """

    async def begin(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> KeptAnswer | None:
        """Take a free key for `holder`, or return the answer that it has.

        Of many at once one takes it. Raises `InProgress` while another holds it,
        `IdempotencyKeyReused` if it stands for another body.
        """

    async def renew(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> None:
        """Hold the key on. One that is no longer the holder's is left as it is, here and below."""

    async def keep(
        self, actor: Actor, key: IdempotencyKey, holder: UUID, answer: KeptAnswer
    ) -> None: ...

    async def release(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> None:
        """Make the key free: nothing came of the work."""
