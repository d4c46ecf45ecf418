"""The query parameters `from` and `to`: days or instants."""

from datetime import UTC, date, datetime, time, timedelta

import msgspec

from polyagent.domain.errors import Invalid
from polyagent.domain.instant import in_utc


def starts_at(text: str | None) -> datetime | None:
    """Return when `from` begins. Raises `Invalid`."""
    if text is None:
        return None
    found = _read("from", text)
    return found if isinstance(found, datetime) else datetime.combine(found, time(), UTC)


def ends_before(text: str | None) -> datetime | None:
    """Return the instant before which `to` ends: of a day the next one's first. Raises `Invalid`."""
    if text is None:
        return None
    found = _read("to", text)
    if isinstance(found, datetime):
        return found
    if found == date.max:
        raise Invalid(f"to={text!r} is out of the calendar.")
    return datetime.combine(found + timedelta(days=1), time(), UTC)


def _read(name: str, text: str) -> date | datetime:
    for kind in (date, datetime):
        try:
            found = msgspec.convert(text, kind)
        except msgspec.ValidationError:
            continue
        if not isinstance(found, datetime):
            return found
        if found.tzinfo is not None:
            return _utc(name, found)
    raise Invalid(
        f"{name}={text!r} is neither a day (2026-01-31) nor an instant with its zone "
        "(2026-01-31T12:00:00Z; write the + of an offset as %2B)."
    )


def _utc(name: str, instant: datetime) -> datetime:
    try:
        return in_utc(name, instant)
    except ValueError as error:
        raise Invalid(f"{error}.") from error
