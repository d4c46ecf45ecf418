"""A web of pages that are handed in: for tests, and for the tests of library users."""

from polyagent.domain.errors import AddressRefused, AnswerTooLarge, FetchFailed, PolyAgentError
from polyagent.domain.outbound import Fetch, Fetched


class MemoryOutbound:
    """Gives the `pages` by their URL, raises those that are errors; `asked` are the requests made."""

    def __init__(self, pages: dict[str, bytes | PolyAgentError] | None = None) -> None:
        self.pages = pages or {}
        self.asked: list[Fetch] = []

    async def fetch(self, ask: Fetch) -> Fetched:
        self.require_allowed(ask.url)
        self.asked.append(ask)
        page = self.pages.get(ask.url)
        if isinstance(page, PolyAgentError):
            raise page
        if page is None:
            raise FetchFailed("There is no such host.")
        if len(page) > ask.max_bytes:
            raise AnswerTooLarge(f"The address answers more than {ask.max_bytes} bytes.")
        return Fetched(url=ask.url, status=200, headers={}, body=page)

    def require_allowed(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise AddressRefused("Give an address that begins with http:// or https://.")

    async def judge(self, url: str) -> None:
        self.require_allowed(url)
