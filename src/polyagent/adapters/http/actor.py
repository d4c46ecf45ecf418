"""One door: every route declares the permission that it takes, and none is open by default."""

from collections.abc import Iterable
from typing import Any, get_args

from dishka import AsyncContainer
from litestar import HttpMethod
from litestar.connection import ASGIConnection
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import BaseRoute

from polyagent.domain.account import Permission
from polyagent.domain.errors import Unauthenticated
from polyagent.usecases.accounts import Authenticate

PERMISSIONS: frozenset[str] = frozenset(get_args(Permission))
MAX_TOKEN = 8192


class Guard:
    """Finds out who asks, and refuses what that actor may not do."""

    def __init__(self, container: AsyncContainer) -> None:
        self._container = container

    async def __call__(
        self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        if _is_options(handler) or handler.opt["permission"] == "public":
            return
        authenticate = await self._container.get(Authenticate)
        actor = await authenticate(bearer(connection.headers.get("authorization")))
        actor.require(handler.opt["permission"])
        connection.scope["user"] = actor


def bearer(header: str | None) -> str:
    """Return the token of an `Authorization` header. Raises `Unauthenticated`."""
    scheme, _, token = (header or "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN:
        raise Unauthenticated("Send the header Authorization: Bearer <token>.")
    return token


def require_permissions(routes: Iterable[BaseRoute]) -> None:
    """Refuse to start with a handler that does not say who may call it."""
    for route in routes:
        for handler in getattr(route, "route_handlers", ()):
            if not _is_options(handler) and handler.opt.get("permission") not in PERMISSIONS:
                raise ImproperlyConfiguredException(f"{handler} at {route.path}: no permission")


def _is_options(handler: BaseRouteHandler) -> bool:
    """The framework's own answer to OPTIONS tells methods only."""
    return isinstance(handler, HTTPRouteHandler) and handler.http_methods == {HttpMethod.OPTIONS}
