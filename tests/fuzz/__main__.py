"""Ask a real server what its OpenAPI document allows and what it does not, as two users, and over sockets.

`python -m tests.fuzz [--seed N] [--examples N] [--users admin,member] [--frames N]`; ends with 1 if
anything was found. A seed repeats a run, as far as the server's own answers do.
"""

import argparse
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from tests.e2e.server import Up
from tests.fuzz.frames import fuzz_frames

PASSWORD = secrets.token_urlsafe(16)
ROLES = ("admin", "member")
# Who deletes or suspends itself ends the run
LEFT_OUT = ("delete_user", "update_user")
# What is well-formed may be refused all the same: common passwords, keys that were used, later features
UNCHECKED = "positive_data_acceptance"
LONGEST_S = 30


def main() -> int:
    asked = _arguments()
    print(f"seed {asked.seed}", flush=True)  # noqa: T201  # what repeats it
    codes: list[int] = []
    with _model_service() as model, Up(model) as up:
        codes += [_fuzz(up, role, asked.seed, asked.examples) for role in asked.users.split(",")]
        token = _token_of(up, "member")
        codes.append(fuzz_frames(up.port, token, seed=asked.seed, frames=asked.frames))
    return int(any(codes))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--examples", type=int, default=25)
    parser.add_argument("--users", default=",".join(ROLES))
    parser.add_argument("--frames", type=int, default=500)
    return parser.parse_args()


@contextmanager
def _model_service() -> Iterator[str]:
    words = [sys.executable, "-m", "tests.model_service"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def _token_of(up: Up, role: str) -> str:
    name = f"fuzz-{role}-{secrets.token_hex(3)}"
    user = {"username": name, "email": f"{name}@x.example", "password": PASSWORD, "role": role}
    admin = {"Authorization": f"Bearer {up.token()}"}
    up.http.post("/api/v1/users", json=user, headers=admin).raise_for_status()
    return up.token(name)


def _fuzz(up: Up, role: str, seed: int, examples: int) -> int:
    words = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{up.url}/openapi.json"),
        *("-H", f"Authorization: Bearer {_token_of(up, role)}", "--checks", "all"),
        *("--exclude-checks", UNCHECKED),
        *("--seed", str(seed), "--max-examples", str(examples)),
        *("--request-timeout", str(LONGEST_S), "--continue-on-failure", "--no-color"),
        *(word for name in LEFT_OUT for word in ("--exclude-operation-id", name)),
    ]
    print(f"as {role}", flush=True)  # noqa: T201
    with TemporaryDirectory() as nowhere:  # it would begin with what it found the last time
        return subprocess.run(words, check=False, cwd=nowhere).returncode


if __name__ == "__main__":
    sys.exit(main())
