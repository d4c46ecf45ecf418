"""A product without engines, for tests of the command line."""

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from polyagent.adapters.cli.product import Container
from polyagent.adapters.memory.access.failures import MemoryLoginFailures
from polyagent.adapters.memory.access.standing import MemoryStanding
from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.adapters.vault.passwords import Argon2Passwords
from polyagent.adapters.vault.secrets import SigningSecrets
from polyagent.adapters.vault.tokens import JwtRing
from polyagent.domain.account import Login, LoginPolicy
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.finding import Finding, ok
from polyagent.domain.selftest import (
    Calls,
    Events,
    Kills,
    OnceCalls,
    Repeats,
    Runs,
    SelftestOptions,
    SelftestReport,
    Takeovers,
)
from polyagent.domain.startup import Prepared, Started
from polyagent.domain.tool import Tool
from polyagent.ports.console import Console, UpOptions
from polyagent.settings import Settings
from polyagent.usecases.accounts import ManageAccounts
from polyagent.usecases.audit import Audit
from polyagent.usecases.login import LogIn
from polyagent.usecases.trust import Trust
from polyagent.usecases.verify_password import PasswordCheck

T = TypeVar("T")

PREPARED = Prepared(username="admin", password="first-password", created=True)

TOOLS = (
    Tool(name="calculator", description="Computes.\nExactly.", parameters={}, effect="read"),
    Tool(name="order", description="Orders.", parameters={}, source="function"),
    Tool(
        name="search",
        description="Searches.",
        parameters={},
        available=False,
        unavailable_reason="Set it up.",
    ),
)

SELFTEST = SelftestReport(
    version="1.0",
    seed=7,
    seconds=30,
    ground=("PostgreSQL 18.4 (thrown away)",),
    runs=Runs(asked=12, accepted=12, completed=12, failed=0, lost=0),
    kills=Kills(asked=1, done=1, in_a_call=1, calls=2),
    calls=Calls(asked=9, recorded=8, executions=10, after_result=0, invented=0, unended=0),
    once=OnceCalls(asked=4, executed_once=3, executed_again=0, in_doubt=1, told=1),
    repeats=Repeats(same_key=1, other_key=0),
    events=Events(
        readers=24, reconnects=5, read=500, missed=0, repeated=0, out_of_order=0, refused=0
    ),
    takeovers=Takeovers(seen=2, median_s=1.4, worst_s=2.5),
)


def started(**changes: Any) -> Started:
    facts: dict[str, Any] = {
        "url": "http://127.0.0.1:8080",
        "data_dir": "/data",
        "prepared": PREPARED,
        "model": "smollm2-135m-instruct",
        "model_note": "a demonstration model, often wrong",
        "engines": {"PostgreSQL": "18.4", "Valkey": "9.1.2"},
        "seconds": 1.25,
    }
    return Started(**facts | changes)


class FakeProduct:
    """Keeps what it was called with; `error` is raised wherever work would begin."""

    def __init__(self, error: PolyAgentError | None = None) -> None:
        self.error = error
        self.settings = Settings()
        self.options = UpOptions()
        self.childrens_config: str | None = None
        self.childrens_app: str | None = None
        self.calls: list[Any] = []
        self.code = 0
        self.url = "http://127.0.0.1:1"
        self.findings = [ok("redis", "Valkey 9.1.2"), ok("postgres", "PostgreSQL 18.4")]
        self.selftest_options = SelftestOptions(seed=0, kills=0)
        self.selftest_report = SELFTEST
        self.selftest_error: BaseException | None = None
        self._state = State()

    def up(self, settings: Settings, options: UpOptions, console: Console) -> int:
        self._called("up", settings)
        self.options = options
        self.childrens_config = os.environ.get("POLYAGENT_CONFIG")
        console.step("Starting PostgreSQL 18")
        console.warn("The disk is nearly full.")
        console.ready(started(data_dir=settings.data_dir))
        console.stopping("Stopping")
        return self.code

    def down(self, settings: Settings) -> bool:
        self._called("down", settings)
        return self.code == 0

    def reset(self, settings: Settings) -> None:
        self._called("reset", settings)

    def serve(self, settings: Settings, *, reuse_port: bool) -> int:
        self._called("serve", settings, reuse_port)
        return self.code

    def worker(self, settings: Settings) -> int:
        self._called("worker", settings)
        return self.code

    def prepare(self, settings: Settings) -> Prepared:
        self._called("prepare", settings)
        return PREPARED

    def migrate(self, settings: Settings, revision: str, *, down: bool) -> str:
        self._called("migrate", settings, revision, down)
        return "0007"

    def tools(self, settings: Settings) -> Sequence[Tool]:
        self._called("tools", settings)
        return TOOLS

    def selftest(
        self, settings: Settings, options: SelftestOptions, say: Callable[[str], None]
    ) -> SelftestReport:
        self._called("selftest", settings)
        self.selftest_options = options
        say("Kill 1 of 1")
        if self.selftest_error is not None:
            raise self.selftest_error
        return self.selftest_report

    def data_dir(self, settings: Settings) -> Path:
        return Path(str(settings.data_dir))

    def examine(self, settings: Settings, tell: Callable[[Finding], None]) -> None:
        self._called("examine", settings)
        for finding in self.findings:
            tell(finding)

    def endpoint(self, settings: Settings) -> str:
        self._called("endpoint", settings)
        return self.url

    @asynccontextmanager
    async def opened(self, settings: Settings) -> AsyncIterator[Container]:
        self._called("opened", settings)
        yield self._container()

    async def can_log_in(self, username: str, password: str) -> bool:
        try:
            await (await self._container().get(LogIn))(Login(username=username, password=password))
        except PolyAgentError:
            return False
        return True

    def _called(self, name: str, settings: Settings, *rest: Any) -> None:
        if self.error is not None:
            raise self.error
        self.settings = settings
        self.childrens_app = os.environ.get("POLYAGENT_APP")
        self.calls.append((name, *rest))

    def _container(self) -> "FakeContainer":
        return FakeContainer(self._state)


class FakeContainer:
    def __init__(self, state: State) -> None:
        clock = ManualClock()
        vault = (
            Argon2Passwords(),
            JwtRing(SigningSecrets(["s" * 32], None), 600, 60, clock),
            clock,
        )
        store = MemoryStore(state, clock)
        policy, trust = LoginPolicy(), Trust(MemoryStanding(state, clock), clock)
        audit = Audit(store, clock)
        check = PasswordCheck(vault[0], MemoryLoginFailures(clock), clock)
        self._made: dict[Any, Any] = {
            ManageAccounts: ManageAccounts(store, *vault, policy, trust, audit),
            LogIn: LogIn(store, check, vault[1], clock, policy, audit),
        }

    async def get(self, dependency: type[T], /) -> T:
        made: T = self._made[dependency]
        return made
