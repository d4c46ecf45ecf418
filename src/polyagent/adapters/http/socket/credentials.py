"""Who is at the other end of a socket, and how long that is good."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from uuid import UUID

from litestar.datastructures import Headers

from polyagent.adapters.http.actor import authorization, bearer
from polyagent.adapters.http.revocations import Revocations
from polyagent.adapters.http.socket.frames import TO_OPEN
from polyagent.domain.account import Actor, Claims, Permission
from polyagent.domain.errors import Forbidden, Unauthenticated
from polyagent.ports.clock import Clock
from polyagent.usecases.authenticate import Authenticate
from polyagent.usecases.tickets import ManageTickets

PROTOCOL = "polyagent.v1"
GRACE_S = 60.0

_TOKEN = "bearer."  # noqa: S105  # what stands before a token


class Handshake:
    """What the opening request says of who sent it."""

    def __init__(
        self,
        path: str,
        client: str,
        headers: Headers,
        ticket: str | None,
        protocols: Sequence[str],
    ) -> None:
        self.path = path
        self.client = client
        self._headers = headers
        self._ticket = ticket
        self._protocols = protocols

    @property
    def protocol(self) -> str | None:
        """The subprotocol to accept: never the one that is a token."""
        return PROTOCOL if PROTOCOL in self._protocols else None

    async def claims(self, authenticate: Authenticate, tickets: ManageTickets) -> Claims | None:
        """Return what its credentials say; None if it has none. Raises `Unauthenticated`, `Unavailable`."""
        header = authorization(self._headers)
        if header is not None:
            return await authenticate.claims(bearer(header))
        if self._ticket is not None:
            return await tickets.redeem(self._ticket, self.path)
        token = self._protocol_token()
        return None if token is None else await authenticate.claims(token)

    def _protocol_token(self) -> str | None:
        if self.protocol is None:
            return None
        tokens = (name for name in self._protocols if name.startswith(_TOKEN))
        found = next(tokens, None)
        return None if found is None else found.removeprefix(_TOKEN)


class Credentials:
    """Those that hold now; they may be renewed. `on_revoked` is called when they hold no more.

    `named` is whoever the last ones named, whatever that actor may.
    """

    def __init__(
        self,
        authenticate: Authenticate,
        clock: Clock,
        revocations: Revocations,
        on_revoked: Callable[[], None],
    ) -> None:
        self.good_until_s = float("inf")
        self.key_id: UUID | None = None
        self._authenticate = authenticate
        self._clock = clock
        self.named: Actor | None = None
        self._held: Actor | None = None
        self._revocations = revocations
        self._on_revoked = on_revoked
        self._listening = ExitStack()

    @property
    def are_given(self) -> bool:
        return self._held is not None

    @property
    def actor(self) -> Actor:
        if self._held is None:
            raise Unauthenticated("Send an auth frame first.")
        return self._held

    async def claims(self, token: str) -> Claims:
        """Raises `Unauthenticated`, `Unavailable`."""
        return await self._authenticate.claims(token)

    async def accept(self, claims: Claims) -> None:
        """Go on with these. Raises `Unauthenticated`, `Forbidden`, `Unavailable`."""
        self.named = actor = await self._authenticate(claims)
        actor.require(TO_OPEN)
        if self._held is not None and self._held.user_id != actor.user_id:
            raise Forbidden("This is another user's token: open a socket of its own for it.")
        self._held, self.key_id = actor, claims.key_id
        self.close()
        self._listening.enter_context(self._revocations.listening(claims, actor, self._on_revoked))
        left_s = (claims.expires_at - self._clock.now()).total_seconds()
        self.good_until_s = self._clock.monotonic() + left_s + GRACE_S

    def require(self, permission: Permission) -> None:
        """Raise `Forbidden` unless they are good for this."""
        self.actor.require(permission)

    def close(self) -> None:
        """Listen no more."""
        self._listening.close()
