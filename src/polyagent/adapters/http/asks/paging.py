"""Lists that are read a page at a time."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from litestar import Request, Response
from litestar.params import QueryParameter

from polyagent.domain.page import Order, Page, PageAsk

T = TypeVar("T")

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many at most.")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=400, description="The last page's `next_cursor`.")
]
Direction = Annotated[Order, QueryParameter(description="By creation.")]


def newest_first(limit: Limit = 20, cursor: Cursor = None, order: Direction = "desc") -> PageAsk:
    return PageAsk(limit=limit, cursor=cursor, order=order)


def oldest_first(limit: Limit = 20, cursor: Cursor = None, order: Direction = "asc") -> PageAsk:
    return PageAsk(limit=limit, cursor=cursor, order=order)


def paged(request: Request[Any, Any, Any], page: Page[T]) -> Response[Page[T]]:
    return linked(request, page, page.next_cursor)


def linked(
    request: Request[Any, Any, Any],
    answer: T,
    next_cursor: str | None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Response[T]:
    """Answer a page, with a link to the next. https://www.rfc-editor.org/rfc/rfc8288

    `more` takes the place of parameters of the query in that link.
    """
    if next_cursor is None:
        return Response(answer)
    query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    said = [(name, value) for name, value in query if name != "cursor" and name not in more]
    address = (
        f"{request.scope['path']}?{urlencode([*said, *more.items(), ('cursor', next_cursor)])}"
    )
    return Response(answer, headers={"Link": f'<{address}>; rel="next"'})
