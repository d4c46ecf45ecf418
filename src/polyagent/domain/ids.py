"""Identifiers: UUIDv7, made by us so that any PostgreSQL from 15 will do."""

import os
import threading
import time
from datetime import UTC, datetime
from uuid import UUID


class _Ids:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self) -> UUID:
        """Return a UUIDv7 that is greater than every earlier one of this process.

        https://www.rfc-editor.org/rfc/rfc9562#section-5.7
        """
        with self._lock:
            # 48 bits of milliseconds and 12 of their fraction (method 3 of section 6.2)
            self._last = head = max(self._last + 1, time.time_ns() * 4096 // 1_000_000)
        tail = int.from_bytes(os.urandom(8)) >> 2
        return UUID(int=(head >> 12) << 80 | 0x7 << 76 | (head & 0xFFF) << 64 | 0b10 << 62 | tail)


new_id = _Ids()


def made_at(id_: UUID) -> datetime:
    """Return when an id was made. Raises `ValueError` if it is none of version 7."""
    if id_.version != 7:
        raise ValueError("only ids of version 7 say when they were made")
    return datetime.fromtimestamp((id_.int >> 80) / 1000, tz=UTC)
