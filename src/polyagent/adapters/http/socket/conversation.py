"""What is done about each frame of one socket."""

import msgspec
import structlog

from polyagent.adapters.http.asks.chatting import cursor
from polyagent.adapters.http.socket import frames
from polyagent.adapters.http.socket.connection import Connection
from polyagent.adapters.http.socket.credentials import Credentials
from polyagent.adapters.http.socket.frames import ClientFrame
from polyagent.adapters.http.socket.services import Services
from polyagent.adapters.http.socket.session import SessionWatch
from polyagent.adapters.http.socket.watches import Watches
from polyagent.domain.audit import Action
from polyagent.domain.errors import (
    Fault,
    Forbidden,
    Invalid,
    NotSupported,
    PolyAgentError,
    TokenExpired,
    Unauthenticated,
)

log = structlog.get_logger("polyagent.http")


class Conversation:
    def __init__(
        self,
        connection: Connection,
        credentials: Credentials,
        watches: Watches,
        session: SessionWatch,
        services: Services,
    ) -> None:
        self._connection = connection
        self._credentials = credentials
        self._watches = watches
        self._session = session
        self._services = services

    async def obey(self, text: bytes | None) -> None:
        """Do what a frame says, None being a binary one; whatever is wrong with it is an error frame."""
        try:
            await self._do(frames.read(text))
        except PolyAgentError as error:
            await self._note(error, text)
            await self._refuse(error, text)
        except Exception:
            log.exception("socket.frame_broke")
            await self._refuse(PolyAgentError(""), text)

    async def _note(self, error: PolyAgentError, text: bytes | None) -> None:
        """Note what this actor may not do, and credentials that were not good."""
        if not isinstance(error, Forbidden | Unauthenticated) or isinstance(error, TokenExpired):
            return
        action: Action = "request" if isinstance(error, Forbidden) else "credentials"
        await self._services.audit.refused(
            action, object=f"FRAME {frames.kind_of(text or b'')}", actor=self._credentials.actor
        )

    async def _refuse(self, error: PolyAgentError, text: bytes | None) -> None:
        await self._connection.say(frames.error(error, frames.name_of(text or b"")))

    async def _do(self, frame: ClientFrame) -> None:
        self._credentials.require(frames.PERMISSIONS[type(frame)])
        match frame:
            case frames.Chat():
                await self._send(frame)
            case frames.Watch():
                await self._watch(frame)
            case frames.Unwatch():
                self._watches.stop(frame.run_id)
            case frames.Cancel():
                await self._services.runs.cancel(self._credentials.actor, frame.run_id)
            case frames.Auth():
                await self._credentials.accept(await self._credentials.claims(frame.token))
            case frames.Approve():
                raise NotSupported("Approvals come in a later version.")
            case frames.Ping():
                await self._connection.say(frames.PONG)
        if isinstance(frame, frames.Unwatch | frames.Cancel | frames.Auth):
            await self._connection.say(frames.ok(frame.id))

    async def _send(self, chat: frames.Chat) -> None:
        if chat.stream is False:
            fault = Fault("#/stream", "A socket streams: leave out stream.")
            raise Invalid(fault.detail, faults=(fault,))
        self._watches.require_room()
        actor, key_id = self._credentials.actor, self._credentials.key_id
        await self._services.rates.of_frame(actor, key_id, chat.end_user)
        session_id = chat.session_id or self._session.id
        ask = msgspec.structs.replace(chat, session_id=session_id)
        with self._session.sending():
            admitted = await self._services.chat(actor, ask)
            self._session.know(admitted.run.id)
        events = self._services.reader.from_start(actor, admitted)
        self._watches.follow(admitted.run.id, events, reply_to=chat.id)

    async def _watch(self, watch: frames.Watch) -> None:
        actor, reader = self._credentials.actor, self._services.reader
        at = cursor(None, watch.cursor)
        run = await self._services.runs.get(actor, watch.run_id)
        is_anything_left = await reader.is_anything_left(actor, run, at)
        self._watches.require_room(run.id)
        self._session.know(run.id)
        if is_anything_left:
            self._watches.follow(run.id, reader.after(actor, run, at))
        else:
            await self._connection.say(frames.ok(watch.id))
