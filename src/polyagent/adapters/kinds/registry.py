"""The port Kinds over what this process knows."""

from collections.abc import Iterable, Sequence

from polyagent.domain.errors import Fault, KindUnknown
from polyagent.ports.kinds import Kind


class KnownKinds:
    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = {kind.name: kind for kind in kinds}

    def names(self) -> Sequence[str]:
        return [*self._kinds]

    def get(self, name: str) -> Kind:
        if name not in self._kinds:
            known = ", ".join(sorted(self._kinds))
            fault = Fault("#/kind", f"There are no tasks of the kind {name!r} here, but: {known}.")
            raise KindUnknown(fault.detail, faults=(fault,))
        return self._kinds[name]
