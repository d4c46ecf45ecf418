"""The account that runs the engines: our own, unless we are root."""

import os
import pwd
import shutil
from pathlib import Path

import msgspec

from polyagent.adapters.engines.errors import EngineError

DEDICATED = "polyagent"
FALLBACK = "nobody"
HOW_TO_CREATE = f"useradd --system --no-create-home --shell /usr/sbin/nologin {DEDICATED}"

_READ = 0o4
_PASS = 0o1


class Account(msgspec.Struct, frozen=True):
    name: str
    uid: int
    gid: int

    def reaches(self, path: Path) -> bool:
        """Say whether this account may enter every directory above `path` and read it."""
        if os.geteuid() != 0:
            return os.access(path, os.R_OK)
        real = path.resolve()
        return self._may(real, _READ) and all(self._may(above, _PASS) for above in real.parents)

    def barred_from(self, directory: Path) -> Path | None:
        """Return the topmost directory on the way into `directory` that this account may not enter."""
        real = directory.resolve()
        if os.geteuid() != 0:
            return None
        way = (*reversed(real.parents), real)
        return next((step for step in way if not self._may(step, _PASS)), None)

    def _may(self, path: Path, right: int) -> bool:
        status = path.stat()
        shift = 6 if status.st_uid == self.uid else 3 if status.st_gid == self.gid else 0
        return bool(status.st_mode >> shift & right)

    def own(self, directory: Path) -> None:
        """Make `directory` this account's, 0700, with all that is in it."""
        directory.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0 and directory.stat().st_uid != self.uid:
            for parent, _, files in os.walk(directory):
                for path in (Path(parent), *(Path(parent, name) for name in files)):
                    os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def bring(self, root: Path, *parts: str, witness: str, store: Path) -> Path:
        """Return `root` if this account reaches `witness` below it, else a copy in `store`.

        Of `root` the `parts` that exist are copied, once per version of the witness; copies of older
        versions are removed.
        """
        original = root.resolve() / witness
        if self.reaches(original):
            return root.resolve()
        copy = store / f"{original.name}.{original.stat().st_mtime_ns:x}"
        if not copy.exists():
            store.mkdir(mode=0o755, exist_ok=True)
            for old in store.glob(f"{original.name}.*"):
                shutil.rmtree(old)
            _copy(root.resolve(), parts, copy)
        return copy


def engine_account() -> Account:
    """Return who runs the engines; root never does: PostgreSQL refuses it."""
    if os.geteuid() == 0:
        for name in (DEDICATED, FALLBACK):
            if entry := _by_name(name):
                return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
        raise EngineError(f"root needs an account that runs the engines: {HOW_TO_CREATE}")
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EngineError(
            f"user id {os.geteuid()} has no entry in /etc/passwd, and PostgreSQL wants one"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _by_name(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _copy(root: Path, parts: tuple[str, ...], target: Path) -> None:
    """Copy files and trees, readable for everybody, and show them only when they are whole."""
    unfinished = target.with_name(f"{target.name}.new")
    for part in parts:
        source, copy = root / part, unfinished / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, symlinks=True)
        elif source.exists():
            shutil.copy2(source, copy)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
    unfinished.rename(target)
