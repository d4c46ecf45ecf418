"""Frames of all kinds, good and bad, on one socket after another."""

import json
import time
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

TYPES = ("auth", "chat", "watch", "unwatch", "cancel", "approve", "ping", "Chat", "", "nonsense")
NAMES = (
    *("id", "token", "message", "session_id", "run_id", "after", "stream", "model", "metadata"),
    *("tools", "agent_id", "priority", "policy", "end_user", "background", "role", "user_id"),
)
DOCUMENTED = {1000, 1001, 1012, 4401, 4403, 4408, 4413, 4429}
LIMIT_S = 60
BETWEEN_S = 0.05  # a client may say twenty things a second

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.uuids().map(str),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECTS = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.sampled_from(TYPES) | VALUES,
    st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5),
)
CHATS = st.builds(lambda text: {"type": "chat", "message": text}, st.text(min_size=1, max_size=40))
TEXTS = (OBJECTS | CHATS | VALUES).map(json.dumps)


@st.composite
def _broken(draw: st.DrawFn) -> str:
    text = draw(TEXTS)
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.text(max_size=5)) + text[at + draw(st.integers(0, 3)) :]


FRAMES = TEXTS | _broken() | st.text(max_size=60) | st.binary(max_size=40)


class Socket:
    """A socket that is opened anew where the server has closed it."""

    def __init__(self, port: int, token: str) -> None:
        self.closed: Counter[int] = Counter()
        self.heard: Counter[str] = Counter()
        self._url = f"ws://127.0.0.1:{port}/ws"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._open: ClientConnection | None = None

    def says(self, frame: str | bytes) -> None:
        """Say something and a ping, and hear all up to its pong."""
        if self._open is None:
            self._open = connect(self._url, additional_headers=self._headers, proxy=None)
        try:
            self._open.send(frame)
            self._open.send('{"type":"ping"}')
            while self._hears(self._open) != "pong":
                pass
        except ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else 1006
            self.closed[code] += 1
            self._open = None
            assert code in DOCUMENTED, (code, frame)

    def _hears(self, connection: ClientConnection) -> str:
        told = json.loads(connection.recv(timeout=LIMIT_S))
        self.heard[told["type"]] += 1
        assert told.get("code") != "internal_error", told
        if told["type"] == "error":
            assert told["detail"]
            assert isinstance(told["retryable"], bool)
        return str(told["type"])

    def close(self) -> None:
        if self._open is not None:
            self._open.close()


def fuzz_frames(port: int, token: str, *, seed: int, frames: int) -> int:
    """Return 1 if a frame was met with anything but an answer of the contract."""
    socket = Socket(port, token)
    try:
        _tried(socket, seed, frames)
    except AssertionError as error:
        print(f"frames: {error}")  # noqa: T201
        return 1
    finally:
        socket.close()
        print(f"frames: {frames} said; heard {dict(socket.heard)}; closed {dict(socket.closed)}")  # noqa: T201
    return 0


def _tried(socket: Socket, number: int, frames: int) -> None:
    @seed(number)
    @settings(
        max_examples=frames,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(FRAMES)
    def says(frame: str | bytes) -> None:
        socket.says(frame)
        time.sleep(BETWEEN_S)

    says()
