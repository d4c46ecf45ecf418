"""The secrets that sign access tokens; a file of them is read again when it changes."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Self

import structlog

from polyagent.domain.errors import Invalid
from polyagent.settings import Auth

MIN_SECRET_BYTES = 32
EXAMPLES = frozenset({"your-secret-key"})

Keys = Mapping[str, bytes]

log = structlog.get_logger("polyagent.vault")


class SigningSecrets:
    """`keys` are by `kid`; the first signs, those of the file before the others.

    A file reaches every worker of every machine without a signal or a restart, and a token of the new
    key is known wherever the file is: put the new line first, and take the old one away when its
    tokens have run out.
    """

    def __init__(self, given: Sequence[str], file: Path | None) -> None:
        self._given = given
        self._file = file
        self._stamp = self._stamped()
        self.keys = self._read()

    @classmethod
    def of(cls, settings: Auth) -> Self:
        """Raises `Invalid` for a secret that is weak, or none."""
        given = (settings.jwt_secret, *settings.jwt_secret_previous)
        file = Path(settings.jwt_secret_file) if settings.jwt_secret_file else None
        return cls([each for each in given if each is not None], file)

    def current(self) -> Keys:
        """Return the keys as they are now: the same mapping while nothing has changed.

        Costs a look at the file's time; a file that is wrong or gone changes nothing.
        """
        stamp = self._stamped()
        if stamp is not None and stamp != self._stamp:
            self._stamp = stamp
            try:
                self.keys = self._read()
            except Invalid as error:
                log.warning("jwt.secret_file_refused", detail=error.detail)
        return self.keys

    def _stamped(self) -> tuple[int, int, int] | None:
        if self._file is None:
            return None
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> Keys:
        secrets = [*self._lines(), *self._given]
        if not secrets:
            raise Invalid("JWT_SECRET is not set. Make one with: openssl rand -base64 48")
        return {_kid(key): key for key in map(_key, secrets)}

    def _lines(self) -> list[str]:
        if self._file is None:
            return []
        try:
            lines = self._file.read_text("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid(
                f"auth.jwt_secret_file cannot be read ({type(error).__name__})."
            ) from error
        return [line.strip() for line in lines if line.strip()]


def _kid(key: bytes) -> str:
    return sha256(key).hexdigest()[:16]


def _key(secret: str) -> bytes:
    key = secret.encode("utf-8", "surrogatepass")
    if secret in EXAMPLES or len(key) < MIN_SECRET_BYTES:
        known = "an example that everybody knows" if secret in EXAMPLES else "too short"
        raise Invalid(
            f"JWT_SECRET is {known}: it needs {MIN_SECRET_BYTES} bytes or more that nobody can guess. "
            "Make one with: openssl rand -base64 48"
        )
    return key
