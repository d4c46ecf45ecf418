"""Text that arrives in pieces, made fit to be stored."""

from polyagent.domain.text import clean


class Joiner:
    """Cleans each piece, but keeps the first half of a surrogate pair back until the second one comes."""

    def __init__(self) -> None:
        self._half = ""

    def add(self, piece: str) -> str:
        if not self._half and piece.isascii():
            return clean(piece)
        text = self._half + piece
        self._half = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        return clean(text[:-1] if self._half else text)

    def end(self) -> str:
        """Return what was kept back for nothing."""
        half, self._half = self._half, ""
        return clean(half)
