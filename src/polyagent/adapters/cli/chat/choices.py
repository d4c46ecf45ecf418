"""What the command line says of a talk."""

from pathlib import Path
from uuid import UUID

import msgspec


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    goes_on: bool
    session: UUID | None
    agent: str | None
    model: str | None
    images: tuple[Path, ...]
    wants_json: bool
    plain: bool
    verbose: bool
    cites: bool = False
    """Answers should, so it is said of one that does not."""
