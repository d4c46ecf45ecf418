"""Instants that others say: as dates of headers, and in zones whose end of the calendar is not UTC's."""

import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated

import msgspec

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


def in_utc(name: str, instant: datetime) -> datetime:
    """Raises `ValueError`, a sentence about the field `name`."""
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{name} is no instant of the years 1 to 9999 in UTC") from error


def retry_after_s(told: str, now: datetime) -> float | None:
    """Return how long a header asks to wait, in seconds or until a date; None if it is neither.

    https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    try:
        seconds = float(told)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(told) - now).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
