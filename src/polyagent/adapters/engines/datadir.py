"""The data directory: one installation's engines, secrets and logs."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polyagent.adapters.engines.errors import EngineError

LAYOUT = 1
FREE_BYTES = 200 * 2**20
ROTATE_BYTES = 16 * 2**20

# What fits into sockaddr_un with its closing NUL. https://man7.org/linux/man-pages/man7/unix.7.html
SOCKET_PATH_BYTES = 103 if sys.platform == "darwin" else 107
LONGEST_SOCKET = "valkey/.s.PGSQL.5432"

SECRETS = ("jwt.secret", "pg.password", "pg.admin.password", "valkey.password", "model.key")
DIRECTORIES = ("pg", "pg.new", "valkey", "model", "engines", "logs")
OURS = (*DIRECTORIES, "documents", "endpoints.json", "chat_history", *SECRETS)


class DataDir:
    """Paths below the directory; nothing here looks at it until asked."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.lock = self.path / "lock"
        self.engines_lock = self.path / "engines.lock"
        self.endpoints = self.path / "endpoints.json"
        self.binaries = self.path / "engines"
        self.logs = self.path / "logs"
        self._version = self.path / "VERSION"
        self._run_note = self.path / "run"

    def open(self) -> None:
        """Create the directory, or check that it is one that we understand and can write to.

        As root it lets others pass, not look: the engines' account must get to its own directories.
        """
        with said_plainly(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._check_space()
            self._check_version()
            if os.geteuid() == 0:
                self.path.chmod(self.path.stat().st_mode & 0o7777 | 0o011)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            tempfile.TemporaryFile(dir=self.path).close()

    def _check_version(self) -> None:
        if not self._version.exists():
            self._check_vacant()
            self._version.write_text(f"{LAYOUT}\n")
        layout = self._version.read_text().strip()
        if layout != str(LAYOUT):
            raise EngineError(
                f"{self.path} has layout {layout[:20]!r}, and this version of PolyAgent knows {LAYOUT}:"
                " start the version that wrote it, or choose another --data-dir"
            )

    def _check_vacant(self) -> None:
        """Refuse a directory that somebody else uses: `up` would take over what has our names, `reset` delete it."""
        taken = next((name for name in DIRECTORIES if (self.path / name).exists()), None)
        if taken is not None:
            raise EngineError(
                f"{self.path} is no data directory of PolyAgent and has a directory {taken} already:"
                " choose another --data-dir"
            )

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.path).free
        if free < FREE_BYTES:
            raise EngineError(
                f"the disk of {self.path} is full: {free // 2**20} MB are free, {FREE_BYTES // 2**20} MB are needed"
            )

    def secret(self, name: str) -> str:
        """Return the secret of that name, one of `SECRETS`, which is generated when first asked for."""
        path = self.path / name
        with said_plainly(path):
            if not path.exists():
                self._generate(path)
            return path.read_text().strip()

    def _generate(self, path: Path) -> None:
        fd, unfinished = tempfile.mkstemp(dir=self.path, prefix=f".{path.name}.")  # 0600
        try:
            with os.fdopen(fd, "w") as file:
                file.write(secrets.token_urlsafe(32))
                file.flush()
                os.fsync(fd)
            with suppress(FileExistsError):  # another process was first: its secret is the one
                os.link(unfinished, path)
        finally:
            Path(unfinished).unlink()

    def log(self, name: str) -> Path:
        """Return the log file of an engine; one that has grown large is set aside first."""
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > ROTATE_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    def sockets(self, engine: str) -> Path:
        """Return where an engine's socket goes: its own directory, or a short one if that path is too long."""
        if _fits(self.path):
            return self.path / engine
        return self._run_dir() / engine

    def _run_dir(self) -> Path:
        """Return the short directory of this installation; the name of it is kept in `run`."""
        if self._run_note.exists() and is_private(Path(self._run_note.read_text())):
            return Path(self._run_note.read_text())
        # Not the session's runtime directory: a logout takes that away from under the server.
        for base in (tempfile.gettempdir(), "/tmp"):  # noqa: S108  mkdtemp makes it safe
            with suppress(OSError):
                made = Path(tempfile.mkdtemp(prefix="polyagent-", dir=base))
                if _fits(made):
                    made.chmod(0o711 if os.geteuid() == 0 else 0o700)
                    self._run_note.write_text(str(made))
                    return made
                made.rmdir()
        raise EngineError(f"{self.path} is too long for a socket: choose a shorter --data-dir")

    def has_cluster(self) -> bool:
        return (self.path / "pg").exists()

    def is_ours(self) -> bool:
        return self._version.exists()

    def erase(self) -> None:
        """Remove what we made, and the directory if nothing else is in it."""
        with said_plainly(self.path):
            if self._run_note.exists() and is_private(Path(self._run_note.read_text())):
                shutil.rmtree(self._run_note.read_text())
            for name in (*OURS, "run", "engines.lock", "lock", "VERSION"):
                _remove(self.path / name)
                for unfinished in self.path.glob(f".{name}.*"):
                    _remove(unfinished)
            for counts in self.path.glob("polyagent-metrics-*"):
                _remove(counts)
            with suppress(OSError):  # not empty: a person's own file
                self.path.rmdir()


@contextmanager
def said_plainly(path: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line about `path`."""
    try:
        yield
    except OSError as error:
        what = error.filename or path
        raise EngineError(f"cannot use {what}: {(error.strerror or str(error)).lower()}") from error


def is_private(directory: Path) -> bool:
    """Say whether this is a directory of ours that nobody else can have put there."""
    try:
        status = directory.lstat()
    except OSError:
        return False
    is_directory = directory.is_dir() and not directory.is_symlink()
    return is_directory and status.st_uid == os.geteuid() and not status.st_mode & 0o066


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory / LONGEST_SOCKET)) <= SOCKET_PATH_BYTES


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
