"""What the supervisor and the watchdog tell each other, a line of JSON each."""

import os
from typing import IO, Generic, TypeVar

import msgspec

Message = TypeVar("Message")


class Wanted(msgspec.Struct, frozen=True, kw_only=True, tag="wanted"):
    """To the watchdog, first of all: which engines to run, for the server at `server_url`, if there is one.

    `throwaway`: when the supervisor is gone, so is what was made in the directory.
    """

    data_dir: str
    postgres: bool
    valkey: bool
    model: bool = False
    model_file: str | None = None
    server_url: str = ""
    throwaway: bool = False


class Ward(msgspec.Struct, frozen=True, kw_only=True, tag="ward"):
    """To the watchdog: a process group that must not outlive the supervisor, or is no more."""

    group: int
    lives: bool


class Step(msgspec.Struct, frozen=True, tag="step"):
    text: str


class Warned(msgspec.Struct, frozen=True, tag="warned"):
    text: str


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """`engines` are names and versions; without a `model`, `model_note` says why, if we wanted one."""

    engines: dict[str, str]
    model: str | None
    model_note: str | None


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The watchdog stops the engines and ends."""

    detail: str


Order = Wanted | Ward
Report = Step | Warned | Ready | Failed


def send(pipe: IO[bytes], message: Order | Report) -> None:
    """Raises `BrokenPipeError` when the other one is gone."""
    pipe.write(msgspec.json.encode(message) + b"\n")
    pipe.flush()


class Inbox(Generic[Message]):
    """What comes out of the descriptor of a pipe, as messages."""

    def __init__(self, fd: int, decoder: msgspec.json.Decoder[Message]) -> None:
        self.fd = fd
        self.is_closed = False
        self._decoder = decoder
        self._rest = b""

    def take(self) -> list[Message]:
        """Wait for something to read and return its whole messages; `is_closed` tells the end of file."""
        chunk = os.read(self.fd, 65_536)
        self.is_closed = not chunk
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [self._decoder.decode(line) for line in lines]
