"""One drill: processes, load and faults, and then the judgement."""

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path

import httpx
import msgspec

from tests.chaos.clients import READ_S, Client
from tests.chaos.faults import Saboteur
from tests.chaos.figures import table
from tests.chaos.history import complaints
from tests.chaos.ledger import APP, PATH, Ledger, Line
from tests.chaos.load import Load
from tests.chaos.plan import Ask, Fault, Size, conversations, faults
from tests.chaos.records import History
from tests.chaos.rest import Rest, at_rest
from tests.e2e.fleet import ROOT, Fleet

PROBE_S = 120.0
POLL_S = 0.1
PLACES = "POLYAGENT_LIMITS__CONCURRENT_RUNS"
UNPOOLED = httpx.Limits(max_keepalive_connections=0)
PASSWORD = "correct horse battery staple"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one drill, or of several: they share no run."""

    history: History
    ledger: list[Line]
    rest: Rest

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            history=self.history + other.history,
            ledger=self.ledger + other.ledger,
            rest=self.rest + other.rest,
        )

    @property
    def complaints(self) -> list[str]:
        return complaints(self.history, self.ledger, self.rest)

    @property
    def table(self) -> str:
        return table(self.history, self.ledger, self.rest)


@contextmanager
def model_service() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.model_service", "--strict"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    with process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def drill(seed: int, size: Size, keep: Path | None = None) -> Outcome:
    """Return what came of it, when everything is stopped again.

    The data directory, the logs and the outcome stay in `keep`, which the engines' account can enter.
    """
    with tempfile.TemporaryDirectory(prefix="polyagent-chaos-") as directory:
        file = Path(directory) / "ledger"
        environ = {
            "POLYAGENT_APP": APP,
            PATH: str(file),
            "PYTHONPATH": str(ROOT),
            "POLYAGENT_AUTH__ACCESS_TOKEN_S": "86400",
            "POLYAGENT_ADMIN_PASSWORD": PASSWORD,
            PLACES: "4",  # the processes of `up` are not killed: they must not have it all
        }
        data_dir = keep / "data" if keep else None
        with (
            model_service() as url,
            Fleet(
                url,
                gateways=2,
                workers=2,
                environ=environ,
                members={PLACES: "64"},
                data_dir=data_dir,
            ) as fleet,
        ):
            tokens = _users(fleet, size.users)
            begun = Drill(seed, size, fleet, Ledger(file))
            rest = asyncio.run(begun.run(tokens))
        outcome = Outcome(history=begun.history, ledger=Ledger(file).read(), rest=rest)
    if keep:
        (keep / "outcome.json").write_bytes(msgspec.json.encode(outcome))
    return outcome


def _users(fleet: Fleet, number: int) -> dict[str, str]:
    """Make users; return their tokens by their ids."""
    http = fleet.up.http
    admin = {"Authorization": f"Bearer {_logged_in(http, 'admin')}"}
    tokens = {}
    for n in range(number):
        new = {"username": f"user{n}", "email": f"user{n}@example.org", "password": PASSWORD}
        made = http.post("/api/v1/users", json={**new, "role": "member"}, headers=admin)
        tokens[made.raise_for_status().json()["id"]] = _logged_in(http, f"user{n}")
    return tokens


def _logged_in(http: httpx.Client, username: str) -> str:
    login = {"username": username, "password": PASSWORD}
    answer = http.post("/api/v1/users/login", json=login).raise_for_status()
    return str(answer.json()["access_token"])


class Drill:
    """Load and faults side by side on a fleet that is ready."""

    def __init__(self, seed: int, size: Size, fleet: Fleet, ledger: Ledger) -> None:
        self.history = History()
        self._seed = seed
        self._size = size
        self._fleet = fleet
        self._saboteur = Saboteur(fleet, ledger, self.history)

    async def run(self, tokens: dict[str, str]) -> Rest:
        await self._saboteur.back_to_normal()
        async with httpx.AsyncClient(trust_env=False, timeout=READ_S, limits=UNPOOLED) as http:
            clients = self._clients(http, tokens)
            load = Load(clients, self.history, random.Random(f"{self._seed} clients"))
            sabotage = asyncio.create_task(self._saboteur.do(self._faults()))
            is_enough = partial(self._is_enough, sabotage)
            plan = conversations(self._seed, self._size)
            playing = asyncio.create_task(
                load.play(plan, at_once=self._size.at_once, is_enough=is_enough)
            )
            try:
                while not (is_enough() or playing.done()):
                    await asyncio.sleep(POLL_S)
                sabotage.cancel()
                with suppress(asyncio.CancelledError):
                    await sabotage
                await self._recover(load, clients[0])
                await playing
            finally:
                playing.cancel()
                await asyncio.gather(playing, return_exceptions=True)
        return await at_rest(self._fleet.database_url)

    def _clients(self, http: httpx.AsyncClient, tokens: dict[str, str]) -> list[Client]:
        return [
            Client(
                http,
                self._fleet.gateways,
                user_id,
                token,
                self.history,
                random.Random(f"{self._seed} client {n}"),
            )
            for n, (user_id, token) in enumerate(tokens.items())
        ]

    def _faults(self) -> Iterator[Fault]:
        return islice(faults(self._seed, self._size), self._size.faults or None)

    def _is_enough(self, sabotage: asyncio.Task[None]) -> bool:
        hits = sum(bool(f.calls) for f in self.history.faults if f.kind == "kill")
        has_hit = self._size.faults == 0 and hits >= self._size.hits
        return len(self.history.sent) >= self._size.runs and (sabotage.done() or has_hit)

    async def _recover(self, load: Load, client: Client) -> None:
        """Measure how long until every member works and a chat completes."""
        began = time.monotonic()
        async with asyncio.timeout(PROBE_S):
            await self._saboteur.back_to_normal()
            await load.probe(client, Ask(mark="probe", message="say normal again", how="chat"))
        self.history.recovered_s = time.monotonic() - began
