"""A whole selftest on engines that run: the processes, the drill, the verdict."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from random import Random

import httpx

from polyagent import __version__
from polyagent.adapters.selftest import tools, verdict
from polyagent.adapters.selftest.client import Client, http_client
from polyagent.adapters.selftest.drill import Drill
from polyagent.adapters.selftest.evidence import Evidence
from polyagent.adapters.selftest.ledger import Ledger
from polyagent.adapters.selftest.model_service import ModelService
from polyagent.adapters.selftest.servers import Launcher, Servers
from polyagent.domain.selftest import SelftestOptions, SelftestReport

TOKEN_S = 3600
MOST = "1000000"  # the drill is one busy user


async def selftest(
    launcher: Launcher,
    environment: Mapping[str, str],
    place: Path,
    options: SelftestOptions,
    say: Callable[[str], None],
) -> Evidence:
    """Hold the drill on the engines that `environment` names. Raises `SelftestBroken`."""
    password, ledger = secrets.token_urlsafe(16), place / "ledger.jsonl"
    service = ModelService()
    async with service.serving() as model_url, http_client() as http:
        ours = _environment(model_url, ledger, password)
        servers = Servers(launcher, {**environment, **ours}, place / "logs")
        try:
            await _start(servers, http, say)
            client = Client(http, servers, Random(options.seed))  # noqa: S311 - repeated, not guessed
            await client.open(password)
            say("Starting runs, each with two readers")
            drill = Drill(servers, client, http, Ledger(ledger), options, say)
            return await drill.hold(service.told)
        finally:
            servers.kill_all()


async def _start(servers: Servers, http: httpx.AsyncClient, say: Callable[[str], None]) -> None:
    say("Preparing the database")
    await servers.prepare()
    say(f"Starting {', '.join(server.name for server in servers.all)}")
    await asyncio.gather(*(servers.start(server, http) for server in servers.all))


def _environment(model_url: str, ledger: Path, password: str) -> dict[str, str]:
    return {
        "PYTHON_AI_URL": model_url,
        "JWT_SECRET": secrets.token_urlsafe(32),
        "POLYAGENT_APP": tools.APP,
        "POLYAGENT_ADMIN_PASSWORD": password,
        "POLYAGENT_AUTH__ACCESS_TOKEN_S": str(TOKEN_S),
        "POLYAGENT_LOG__FORMAT": "json",
        "POLYAGENT_LIMITS__ADDRESS_REQUESTS": MOST,
        "POLYAGENT_LIMITS__USER_REQUESTS": MOST,
        "POLYAGENT_LIMITS__USER_RUNS": MOST,
        tools.LEDGER: str(ledger),
    }


def report(
    evidence: Evidence, options: SelftestOptions, ground: Iterable[str], *, began: float
) -> SelftestReport:
    """Judge; `began` is an instant of `time.monotonic`."""
    calls = verdict.calls_of(evidence)
    return SelftestReport(
        version=__version__,
        seed=options.seed,
        seconds=time.monotonic() - began,
        ground=tuple(ground),
        runs=verdict.count_runs(evidence.runs),
        kills=verdict.count_kills(evidence.kills, options.kills),
        calls=verdict.count_calls(calls),
        once=verdict.count_once(calls, evidence.told),
        repeats=verdict.count_repeats(calls),
        events=verdict.count_events(evidence.runs),
        takeovers=verdict.count_takeovers(evidence.takeovers_s),
    )
