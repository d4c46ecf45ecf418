"""Answers under idempotency keys, in memory."""

from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from polyagent.adapters.memory.state import AnswerRow, KeyName, State
from polyagent.domain.account import Actor
from polyagent.domain.answer import HELD_S, LIFETIME_S, KeptAnswer
from polyagent.domain.errors import IdempotencyKeyReused, InProgress
from polyagent.domain.run import IdempotencyKey
from polyagent.ports.clock import Clock


class MemoryAnswers:
    def __init__(self, state: State, clock: Clock) -> None:
        self._answers = state.answers
        self._clock = clock

    async def begin(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> KeptAnswer | None:
        name, now = _name(actor, key), self._clock.now()
        row = self._answers.get(name)
        if row is None or row.expires_at <= now:
            self._answers[name] = AnswerRow(
                body_hash=key.body_hash,
                holder=holder,
                created_at=now,
                expires_at=now + timedelta(seconds=HELD_S),
            )
            return None
        if row.body_hash != key.body_hash:
            raise IdempotencyKeyReused("This Idempotency-Key was used for something else.")
        if row.answer is None:
            raise InProgress("The first request under this Idempotency-Key is still at work.")
        return row.answer

    async def renew(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> None:
        row = self._held(actor, key, holder)
        if row is not None and row.answer is None:
            expires_at = self._clock.now() + timedelta(seconds=HELD_S)
            self._answers[_name(actor, key)] = replace(row, expires_at=expires_at)

    async def keep(
        self, actor: Actor, key: IdempotencyKey, holder: UUID, answer: KeptAnswer
    ) -> None:
        row = self._held(actor, key, holder)
        if row is not None:
            expires_at = row.created_at + timedelta(seconds=LIFETIME_S)
            kept = replace(row, answer=answer, expires_at=expires_at)
            self._answers[_name(actor, key)] = kept

    async def release(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> None:
        row = self._held(actor, key, holder)
        if row is not None and row.answer is None:
            del self._answers[_name(actor, key)]

    def _held(self, actor: Actor, key: IdempotencyKey, holder: UUID) -> AnswerRow | None:
        row = self._answers.get(_name(actor, key))
        return row if row is not None and row.holder == holder else None


def _name(actor: Actor, key: IdempotencyKey) -> KeyName:
    return (actor.workspace_id, actor.user_id, key.end_user or "", key.route, key.key)
