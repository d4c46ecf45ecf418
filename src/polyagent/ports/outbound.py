from typing import Protocol

from polyagent.domain.outbound import Fetch, Fetched


class Outbound(Protocol):
    """The way to addresses that a user, a document or a model supplies: public ones over http(s).

    Others are reached only where the administrator allows it.
    """

    async def fetch(self, ask: Fetch) -> Fetched:
        """Make a request; every address that is dialled is judged, those of redirects too.

        Raises `AddressRefused`, `FetchFailed` (no such name, no connection, no HTTP),
        `FetchTimedOut`, `AnswerTooLarge`, `AnswerUnusable` (compressed, redirected too often),
        `Invalid` for headers that are not the caller's to set. Cancelling it ends it.
        """

    def require_allowed(self, url: str) -> None:
        """Raise `AddressRefused` for a URL that no fetch would take, as far as can be told without a lookup.

        For addresses that are kept: a name may lead elsewhere by the time it is dialled.
        """

    async def judge(self, url: str) -> None:
        """Raise `AddressRefused` as `require_allowed` does, and where the name leads to a private address.

        A name that cannot be looked up now passes: it is judged again whenever it is dialled.
        """
