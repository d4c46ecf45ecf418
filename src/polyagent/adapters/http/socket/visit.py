"""One client's time on a socket: first it says who it is, then what it wants."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, nullcontext

import structlog

from polyagent.adapters.http.socket import frames
from polyagent.adapters.http.socket.connection import Close, Connection
from polyagent.adapters.http.socket.conversation import Conversation
from polyagent.adapters.http.socket.credentials import Credentials, Handshake
from polyagent.adapters.http.socket.look import SessionLook
from polyagent.adapters.http.socket.pace import Pace
from polyagent.adapters.http.socket.services import Services
from polyagent.adapters.http.socket.session import SessionWatch
from polyagent.domain.account import Claims
from polyagent.domain.audit import Action
from polyagent.domain.errors import (
    Forbidden,
    Invalid,
    Limited,
    NotFound,
    TokenExpired,
    Unauthenticated,
    Unavailable,
)

Texts = AsyncGenerator[bytes | None, None]

log = structlog.get_logger("polyagent.http")


class Visit:
    def __init__(
        self,
        connection: Connection,
        credentials: Credentials,
        session: SessionWatch,
        conversation: Conversation,
        services: Services,
    ) -> None:
        self._connection = connection
        self._credentials = credentials
        self._session = session
        self._conversation = conversation
        self._services = services
        self._pace = Pace(services.clock)
        self._leave: Callable[[], None] = _nothing
        self._path = self._client = ""

    async def arrive(self, handshake: Handshake) -> None:
        """Let in whoever the handshake names, before it is told that the socket is open.

        So nothing escapes it that happens in its session afterwards.
        """
        self._path, self._client = handshake.path, handshake.client
        async with self._closing_on_error():
            claims = await handshake.claims(self._services.authenticate, self._services.tickets)
            if claims is not None:
                await self._enter(claims)

    async def stay(self, look: SessionLook) -> None:
        """Obey the client's frames until it leaves or the socket is closed."""
        async with aclosing(self._connection.texts()) as texts, self._closing_on_error():
            if not self._credentials.are_given:
                with self._services.rates.of_stranger(self._client):
                    frame = await _first(texts)
                await self._enter(await self._credentials.claims(frame.token))
                await self._connection.say(frames.ok(frame.id))
            with self._watching(look):
                async for text in texts:
                    await self._pace.keep()
                    await self._conversation.obey(text)

    def leave(self) -> None:
        """Give up the place that it has among its user's sockets."""
        self._leave()

    async def _enter(self, claims: Claims) -> None:
        await self._credentials.accept(claims)
        self._leave = await self._services.rates.of_socket(self._credentials.actor)
        if self._session.id is not None:
            await self._services.sessions.get(self._credentials.actor, self._session.id)
        await self._session.begin()

    def _watching(self, look: SessionLook) -> AbstractContextManager[None]:
        if self._session.id is None:
            return nullcontext()
        return look.telling(self._credentials.actor, self._session.id, self._session.find)

    @asynccontextmanager
    async def _closing_on_error(self) -> AsyncIterator[None]:
        try:
            yield
        except TokenExpired:
            self._connection.close(Close.UNAUTHENTICATED)
        except (Unauthenticated, Invalid):
            await self._refuse(Close.UNAUTHENTICATED, "credentials")
        except (Forbidden, NotFound):
            await self._refuse(Close.NOT_ALLOWED, "request")
        except Limited:
            self._connection.close(Close.LIMITED)
        except Unavailable:
            self._connection.close(Close.RESTART)
        except Exception:
            log.exception("socket.broke")
            self._connection.close(Close.DEFECT)

    async def _refuse(self, why: Close, action: Action) -> None:
        if self._connection.closing is not None:
            return
        await self._services.audit.refused(
            action, object=f"CONNECT {self._path}", actor=self._credentials.named
        )
        self._connection.close(why)


def _nothing() -> None:
    """Whoever did not enter has nothing to leave."""


async def _first(texts: Texts) -> frames.Auth:
    """Return the first frame. Raises `Unauthenticated` unless it says who it is, `Invalid`."""
    async for text in texts:
        frame = frames.read(text)
        if isinstance(frame, frames.Auth):
            return frame
        break
    raise Unauthenticated("The first frame must be auth.")
