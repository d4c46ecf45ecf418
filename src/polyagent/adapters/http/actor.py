"""One door: every route declares the permission that it takes, and none is open by default."""

from collections.abc import Iterable
from typing import Any, cast, get_args

from dishka import AsyncContainer
from litestar import HttpMethod
from litestar.connection import ASGIConnection
from litestar.datastructures import Headers
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import ASGIRoute, BaseRoute, HTTPRoute, WebSocketRoute
from litestar.types import HTTPScope

from polyagent.adapters.http.admission import Admission
from polyagent.adapters.http.rates import RequestRates
from polyagent.domain.account import Actor, Claims, Permission
from polyagent.domain.errors import Forbidden, TokenExpired, Unauthenticated
from polyagent.usecases.audit import Audit
from polyagent.usecases.authenticate import Authenticate
from polyagent.usecases.tickets import ManageTickets

PERMISSIONS: frozenset[str] = frozenset(get_args(Permission))
MAX_TOKEN = 8192


class Guard:
    """Finds out who asks, and refuses what that actor may not do."""

    def __init__(
        self, container: AsyncContainer, rates: RequestRates, admission: Admission
    ) -> None:
        self._container = container
        self._admission = admission
        self._rates = rates
        self._authenticate: Authenticate | None = None

    async def __call__(
        self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        if _is_options(handler) or handler.opt["permission"] == "public":
            return
        if (authenticate := self._authenticate) is None:
            authenticate = self._authenticate = await self._container.get(Authenticate)
        try:
            claims = await self._claims(authenticate, connection, handler)
            actor = await authenticate(claims)
        except Unauthenticated as error:
            await self._note_credentials(connection, error)
            raise
        self._admission.hold(actor, connection.scope["state"])
        await self._rates.of_user(cast(HTTPScope, connection.scope), actor, claims.key_id)
        await self._permit(connection, actor, handler.opt["permission"])
        connection.scope["user"] = actor
        connection.scope["auth"] = claims

    async def _permit(
        self, connection: ASGIConnection[Any, Any, Any, Any], actor: Actor, permission: Permission
    ) -> None:
        """Let in or refuse; note whoever is refused, and an administrator who asks for what is others'."""
        try:
            actor.require(permission)
        except Forbidden:
            audit = await self._container.get(Audit)
            await audit.refused("request", object=_named(connection), actor=actor)
            raise
        if permission == "admin" and connection.scope.get("method") == "GET":
            audit = await self._container.get(Audit)
            await audit.seen(actor, "request", _named(connection))

    async def _note_credentials(
        self, connection: ASGIConnection[Any, Any, Any, Any], error: Unauthenticated
    ) -> None:
        """Note credentials that were never good, or were taken away; those that ran out are everyday."""
        given = "authorization" in connection.headers or "ticket" in connection.query_params
        if given and not isinstance(error, TokenExpired):
            audit = await self._container.get(Audit)
            await audit.refused("credentials", object=_named(connection))

    async def _claims(
        self,
        authenticate: Authenticate,
        connection: ASGIConnection[Any, Any, Any, Any],
        handler: BaseRouteHandler,
    ) -> Claims:
        redeemed = await self._redeemed(connection, handler)
        if redeemed is not None:
            return redeemed
        return await authenticate.claims(bearer(authorization(connection.headers)))

    async def _redeemed(
        self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> Claims | None:
        """Return what the request's ticket stands for, where one may stand in the header's place."""
        if not handler.opt.get("takes_ticket") or "authorization" in connection.headers:
            return None
        if (ticket := connection.query_params.get("ticket")) is None:
            return None
        tickets = await self._container.get(ManageTickets)
        return await tickets.redeem(ticket, connection.scope["path"])


def _named(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    return f"{connection.scope.get('method')} {connection.scope['path']}"


def authorization(headers: Headers) -> str | None:
    """Return the header; None without one.

    Raises `Unauthenticated` for two: a proxy may have looked at the other.
    """
    given = headers.getall("authorization", [])
    if len(given) > 1:
        raise Unauthenticated("Send the header Authorization once.")
    return given[0] if given else None


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
        for handler in _handlers(route):
            if not _is_options(handler) and handler.opt.get("permission") not in PERMISSIONS:
                raise ImproperlyConfiguredException(f"{handler} at {route.path}: no permission")


def _handlers(route: BaseRoute) -> Iterable[BaseRouteHandler]:
    if isinstance(route, HTTPRoute):
        return route.route_handlers
    return (route.route_handler,) if isinstance(route, ASGIRoute | WebSocketRoute) else ()


def _is_options(handler: BaseRouteHandler) -> bool:
    """The framework's own answer to OPTIONS tells methods only."""
    return isinstance(handler, HTTPRouteHandler) and handler.http_methods == {HttpMethod.OPTIONS}
