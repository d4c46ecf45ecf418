"""Lists that are read a page at a time."""

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
    """Answer a page, with a link to the next. https://www.rfc-editor.org/rfc/rfc8288"""
    if page.next_cursor is None:
        return Response(page)
    query = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    query = [(name, value) for name, value in query if name != "cursor"]
    address = f"{request.scope['path']}?{urlencode([*query, ('cursor', page.next_cursor)])}"
    return Response(page, headers={"Link": f'<{address}>; rel="next"'})
