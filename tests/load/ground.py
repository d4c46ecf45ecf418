"""The servers that are loaded, and those who ask."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import msgspec
from bench import machine
from bench.stage import Server, Stage, stage

PASSWORD = "correct horse battery staple"

Settings = Mapping[str, str]  # by names as in the environment: limits__requests


class Ground(msgspec.Struct, frozen=True):
    """Gateways on one PostgreSQL; each header is the `Authorization` of another user."""

    stage: Stage
    gateways: Sequence[Server]
    admin: str
    users: Sequence[str]

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{gateway.port}" for gateway in self.gateways]

    def memory_mb(self) -> float:
        """Return the PSS of all gateways together."""
        return sum(machine.pss_bytes(gateway.pid) for gateway in self.gateways) / 2**20

    def cpu_s(self) -> float:
        return sum(machine.cpu_s(gateway.pid) for gateway in self.gateways)

    def open_files(self) -> int:
        return sum(
            len(list((machine.PROC / str(pid) / "fd").iterdir()))
            for gateway in self.gateways
            for pid in machine.family(gateway.pid)
        )


@contextmanager
def standing(*, quick: bool) -> Iterator[Stage]:
    """The engines and the model service, for all that follows."""
    with tempfile.TemporaryDirectory(prefix="polyagent-load-") as directory:
        Path(directory).chmod(0o711)  # for root the engines run under an account of their own
        with stage(Path(directory), quick=quick) as here:
            yield here


@contextmanager
def ground(here: Stage, *, gateways: int, users: int, settings: Settings) -> Iterator[Ground]:
    """Gateways with these settings, and as many users, made once for all grounds of a stage."""
    with ExitStack() as stack:
        served = [
            stack.enter_context(here.gateway(settings=_all(settings))) for _ in range(gateways)
        ]
        found = [*_users(here, served[0], users)]
        yield Ground(stage=here, gateways=served, admin=here.authorization, users=found)


def _all(settings: Settings) -> dict[str, str]:
    """All clients come from one address here and are few users: of these only the runs are limited."""
    named = {f"POLYAGENT_{name.upper()}": value for name, value in settings.items()}
    return {"POLYAGENT_AUTH__ACCESS_TOKEN_S": "86400", "POLYAGENT_LIMITS__USER_RUNS": "20"} | named


def _users(here: Stage, gateway: Server, count: int) -> Iterator[str]:
    with here.client(gateway) as admin:
        for n in range(count):
            new = {"username": f"load{n}", "password": PASSWORD}
            made = admin.post(
                "/api/v1/users", json={**new, "email": f"load{n}@example.org", "role": "member"}
            )
            if made.status_code != httpx.codes.CONFLICT:
                made.raise_for_status()
            tokens = admin.post("/api/v1/users/login", json=new).raise_for_status().json()
            yield f"Bearer {tokens['access_token']}"
