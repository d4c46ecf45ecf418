"""Tokens spent: by one call or one run, and by everything in some time."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from polyagent.domain.errors import CursorInvalid, Invalid
from polyagent.domain.page import PageAsk

GroupBy = Literal["day", "agent", "model", "user", "end_user"]

DEFAULT_SPAN = timedelta(days=30)
MAX_SPAN = timedelta(days=366)


Amount = Annotated[float, msgspec.Meta(ge=0, le=1_000_000)]


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a million tokens cost; `cached_input` null: as much as other input."""

    input: Amount
    output: Amount
    cached_input: Amount | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """`estimated` is true where the model service did not say. `cost` is in the operator's currency."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    estimated: bool = False
    cost: float | None = None

    def __add__(self, other: "Usage") -> "Usage":
        costs = [c for c in (self.cost, other.cost) if c is not None]
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_input_tokens=self.cached_input_tokens + other.cached_input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            estimated=self.estimated or other.estimated,
            cost=sum(costs) if costs else None,
        )

    def priced(self, price: Price | None) -> "Usage":
        """Return the same with its cost, in the currency of the price; without a price as it is."""
        if price is None:
            return self
        cached_price = price.input if price.cached_input is None else price.cached_input
        millionths = (
            (self.input_tokens - self.cached_input_tokens) * price.input
            + self.cached_input_tokens * cached_price
            + self.output_tokens * price.output
        )
        return msgspec.structs.replace(self, cost=millionths / 1_000_000)


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What many calls of models have used. `runs` are those that made them.

    `estimated_tokens` is how many of `total_tokens` no model service told; `cost` leaves out calls that
    have none, and is None where none has any.
    """

    runs: int
    calls: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    estimated_tokens: int
    cost: float | None = None


class UsageGroup(Sums, frozen=True, kw_only=True):
    """The sums of one of what was grouped by: that field alone is there, None for calls that have none.

    `day` is a UTC one, `2026-11-26`. `name` is that of an agent or a user as it is now, if the actor may
    see it.
    """

    day: str | UnsetType = UNSET
    agent_id: UUID | UnsetType = UNSET
    model: str | UnsetType = UNSET
    user_id: UUID | UnsetType = UNSET
    end_user: str | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET


class UsageReport(msgspec.Struct, frozen=True, kw_only=True, rename={"begin": "from", "end": "to"}):
    """From `begin` on, and before `end`. `total` is of all groups, also those of other pages."""

    items: list[UsageGroup]
    total: Sums
    begin: datetime
    end: datetime
    next_cursor: str | None = None


class UsageAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What used tokens from `begin` (None: 30 days before the end) on and before `end` (None: now).

    Days come newest first, other groups with those that used most first; `order` asc turns that round.
    """

    group_by: GroupBy = "day"
    begin: datetime | None = None
    end: datetime | None = None
    user_id: UUID | None = None
    end_user: str | None = None
    agent_id: UUID | None = None
    page: PageAsk = PageAsk()

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the time that is meant, in UTC. Raises `Invalid`."""
        try:
            end = now if self.end is None else _in_utc(self.end)
            begin = end - DEFAULT_SPAN if self.begin is None else _in_utc(self.begin)
        except OverflowError:
            raise Invalid("`from` or `to` lies outside of the years 1 to 9999 in UTC.") from None
        if begin > end:
            raise Invalid("`from` is later than `to`.")
        if end - begin > MAX_SPAN:
            raise Invalid(f"From `from` to `to` are more than {MAX_SPAN.days} days: ask for less.")
        return begin, end


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """Where in the order of groups something stands: by its rank, among equals by its key."""

    rank: int
    key: str

    @property
    def cursor(self) -> str:
        return urlsafe_b64encode(msgspec.json.encode(self)).rstrip(b"=").decode()

    @classmethod
    def of(cls, cursor: str) -> "Mark":
        """Raises `CursorInvalid`."""
        try:
            return msgspec.json.decode(urlsafe_b64decode(cursor.encode() + b"=="), type=cls)
        except (ValueError, msgspec.DecodeError):
            raise CursorInvalid(
                "The cursor is not one of this list: take `next_cursor` of its last page."
            ) from None


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise Invalid("`from` and `to` need a time zone: 2026-01-31T12:00:00Z.")
    return instant.astimezone(UTC)
