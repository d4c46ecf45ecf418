"""Text that leaves piece by piece and cannot be taken back."""


class Diverged(Exception):
    """What is told now is not what has been sent."""


class Spelling:
    """Sends a text once, though it may be told anew from its start, or with a part missing."""

    def __init__(self) -> None:
        self._sent: list[str] = []
        self._owed = ""
        self._is_broken = False

    @property
    def sent(self) -> str:
        return "".join(self._sent)

    @property
    def is_confirmed(self) -> bool:
        """Whether all that was sent has been told (again) since it was last told from the start."""
        return not self._owed

    def add(self, piece: str) -> str:
        """Return what of the next piece is to be sent. Raises `Diverged`."""
        if self._is_broken:
            return ""
        if self._owed:
            piece = self._repeated(piece)
        if piece:
            self._sent.append(piece)
        return piece

    def restart(self) -> None:
        """Take it that the text is told from its start again."""
        self._owed, self._is_broken = self.sent, False

    def breaks(self) -> None:
        """Take it that a part is missing: wait for the whole."""
        self._is_broken = True

    def finish(self, whole: str) -> str:
        """Return what of the whole was not sent. Raises `Diverged`.

        A whole that is shorter than what was told is one that was cut for its size.
        """
        sent = self.sent
        if not whole.startswith(sent):
            if self.is_confirmed and not self._is_broken and sent.startswith(whole):
                return ""
            raise Diverged
        self._owed, self._is_broken = "", False
        rest = whole[len(sent) :]
        self._sent = [whole]
        return rest

    def _repeated(self, piece: str) -> str:
        length = min(len(piece), len(self._owed))
        if piece[:length] != self._owed[:length]:
            raise Diverged
        self._owed = self._owed[length:]
        return piece[length:]


class Held(Spelling):
    """Sends nothing before the whole is known: until then the text may be taken back."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[str] = []

    def add(self, piece: str) -> str:
        self._held.append(piece)
        return ""

    def restart(self) -> None:
        self._held, self._is_broken = [], False

    def finish(self, whole: str) -> str:
        """Return the whole, or what was told where that is more: a whole may be cut for its size."""
        told = "".join(self._held)
        return told if told.startswith(whole) and not self._is_broken else whole
