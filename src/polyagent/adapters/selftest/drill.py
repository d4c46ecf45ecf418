"""The drill: runs under way all the time, and kill -9 in the middle of their tool calls."""

import asyncio
import time
from collections.abc import Callable
from random import Random

import httpx
import msgspec

from polyagent.adapters.selftest.client import Client
from polyagent.adapters.selftest.conversation import Conversation
from polyagent.adapters.selftest.evidence import Evidence, Kill
from polyagent.adapters.selftest.ledger import Ledger
from polyagent.adapters.selftest.script import scripts
from polyagent.adapters.selftest.servers import Server, Servers
from polyagent.domain.selftest import SelftestOptions

AT_ONCE = 6
LOOK_S = 0.02
PACE_S = 0.7
INTO_CALL_S = 0.2
VICTIM_S = 30.0
ENDS_S = 60.0


class Strike(msgspec.Struct, frozen=True):
    at: float
    kill: Kill


class Drill:
    def __init__(
        self,
        servers: Servers,
        client: Client,
        http: httpx.AsyncClient,
        ledger: Ledger,
        options: SelftestOptions,
        say: Callable[[str], None],
    ) -> None:
        self._servers = servers
        self._client = client
        self._http = http
        self._ledger = ledger
        self._options = options
        self._say = say
        self._chance = Random(options.seed)  # noqa: S311 - a drill is repeated, not guessed
        self._scripts = scripts(Random(options.seed))  # noqa: S311
        self._conversations: list[Conversation] = []
        self._strikes: list[Strike] = []
        self._restarts: list[asyncio.Task[None]] = []
        self._is_over = False

    async def hold(self, told: dict[str, str]) -> Evidence:
        """Keep runs going until the last kill, and wait for their ends; `told` is what the model hears."""
        try:
            async with asyncio.TaskGroup() as group:
                talkers = [group.create_task(self._talk()) for _ in range(AT_ONCE)]
                await self._strike_all(group)
                self._is_over = True
                self._say("Waiting for every run to end")
                await asyncio.wait(talkers, timeout=ENDS_S)
                for task in (*talkers, *self._restarts):
                    task.cancel()
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return self._evidence(told)

    async def _talk(self) -> None:
        while not self._is_over:
            script = next(self._scripts)
            chance = Random(f"{self._options.seed}/{script.number}")  # noqa: S311
            conversation = Conversation(self._client, script, chance)
            self._conversations.append(conversation)
            await conversation.hold()

    async def _strike_all(self, group: asyncio.TaskGroup) -> None:
        for number in range(1, self._options.kills + 1):
            await asyncio.sleep(PACE_S)
            server = await self._victim()
            if server is None:
                return
            caught = self._strike(server)
            calls = "1 tool call" if caught == 1 else f"{caught} tool calls"
            which = f"Kill {number} of {self._options.kills}"
            self._say(f"{which}: {server.name}, in the middle of {calls}")
            self._restarts.append(group.create_task(self._servers.start(server, self._http)))

    async def _victim(self) -> Server | None:
        """Wait for a process that may be killed and is in a tool call; None: there was none in time."""
        until = time.monotonic() + VICTIM_S
        while time.monotonic() < until:
            if victims := [server for server in self._servers.all if self._may_die(server)]:
                chosen = self._chance.choice(victims)
                await asyncio.sleep(self._chance.uniform(0, INTO_CALL_S))
                if self._may_die(chosen):
                    return chosen
            await asyncio.sleep(LOOK_S)
        return None

    def _may_die(self, server: Server) -> bool:
        """Spare the last gateway that can take over, and runs that did not get on since their last takeover."""
        if server.process is None or not server.is_ready:
            return False
        if not any(other.is_seasoned for other in self._servers.gateways if other is not server):
            return False
        runs = {entry.run_id for entry in self._ledger.open_in(server.process.pid)}
        met = [each for each in self._conversations if each.id in runs]
        return bool(met) and all(conversation.is_fresh for conversation in met)

    def _strike(self, server: Server) -> int:
        """Kill it, and return how many tool calls that broke off."""
        at = time.monotonic()
        self._servers.kill(server)
        pid = server.process.pid if server.process else 0
        caught = self._ledger.open_in(pid)
        self._strikes.append(Strike(at, Kill(server=server.name, caught=caught)))
        runs = {entry.run_id for entry in caught}
        for conversation in self._conversations:
            if conversation.id in runs:
                conversation.caught()
        return len(caught)

    def _evidence(self, told: dict[str, str]) -> Evidence:
        return Evidence(
            runs=[conversation.record() for conversation in self._conversations],
            kills=[strike.kill for strike in self._strikes],
            ledger=self._ledger.entries(),
            told=told,
            takeovers_s=[second for strike in self._strikes for second in self._takeovers(strike)],
        )

    def _takeovers(self, strike: Strike) -> list[float]:
        """Return how long each run that was caught was without an executor."""
        runs = {entry.run_id for entry in strike.kill.caught}
        resumed = [each.resumed_at for each in self._conversations if each.id in runs]
        later = [[at for at in instants if at > strike.at] for instants in resumed]
        return [instants[0] - strike.at for instants in later if instants]
