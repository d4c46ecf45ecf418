"""How many tasks run at once, in all processes together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec


class Caps(msgspec.Struct, frozen=True, kw_only=True):
    """Running tasks: of a kind, of everybody; and of one user, of all kinds. None: as many as there are."""

    kinds: Mapping[str, int] = msgspec.field(default_factory=dict)
    user: int | None = None

    def __bool__(self) -> bool:
        return self.user is not None or bool(self.kinds)

    def room(
        self, running: Iterable[tuple[str, UUID]], wanted: Sequence[tuple[str, UUID]]
    ) -> Sequence[bool]:
        """Say of each wanted (kind, user), in their order, whether it may run beside the others."""
        of_kind: Counter[str] = Counter()
        of_user: Counter[UUID] = Counter()
        for kind, user_id in running:
            of_kind[kind] += 1
            of_user[user_id] += 1
        return [self._enters(of_kind, of_user, kind, user_id) for kind, user_id in wanted]

    def _enters(
        self, of_kind: Counter[str], of_user: Counter[UUID], kind: str, user_id: UUID
    ) -> bool:
        most = self.kinds.get(kind)
        if most is not None and of_kind[kind] >= most:
            return False
        if self.user is not None and of_user[user_id] >= self.user:
            return False
        of_kind[kind] += 1
        of_user[user_id] += 1
        return True
