"""The library on engines in its own process's care: real ones, whatever becomes of the process."""

import asyncio
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from dishka import Provider, Scope, provide

from polyagent.adapters.engines.datadir import DataDir
from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.memory.models import ScriptedModels, called, said
from polyagent.app import App, embedded
from polyagent.domain.agent import NewAgent
from polyagent.domain.chat import Ask
from polyagent.domain.errors import Unavailable
from polyagent.domain.page import PageAsk
from polyagent.domain.run import Answer
from polyagent.ports.models import Models
from polyagent.settings import Settings
from polyagent.usecases.agents import ManageAgents
from polyagent.usecases.profile import ManageProfile
from polyagent.usecases.sessions import ManageSessions
from tests.e2e.processes import eventually, in_time, users_of

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, sys
from polyagent.app import embedded
from polyagent.settings import Settings
from tests.e2e.test_embedded import echo

async def main(data_dir):
    async with embedded(echo(), data_dir=data_dir) as app:
        session_id = (await app.ask("Hello")).session_id
        print(session_id if data_dir else (await app.get(Settings)).data_dir, flush=True)
        await asyncio.Event().wait()

asyncio.run(main(sys.argv[1]))
"""


class Scripted(Provider):
    scope = Scope.APP

    def __init__(self, models: ScriptedModels) -> None:
        super().__init__()
        self._models = models

    @provide
    def models(self) -> Models:
        return self._models


def echo() -> App:
    return App(Scripted(ScriptedModels()))


@pytest.fixture
def place() -> Iterator[Path]:
    """A data directory that the engines' account can reach; nobody may use it in the end."""
    path = Path(tempfile.mkdtemp(prefix="polyagent-test-"))
    yield path
    eventually(lambda: not users_of(path), "the directory is left alone")
    DataDir(path).erase()
    assert not path.exists()


def content(answer: Answer) -> str | None:
    return answer.message.content if answer.message else None


async def test_what_was_said_is_there_the_next_time(place: Path) -> None:
    async with embedded(echo(), data_dir=place) as app:
        first = await app.ask("one")
        actor = app.actor

    async with embedded(echo(), data_dir=place) as app:
        second = await app.ask(Ask(message="two", session_id=first.session_id))
        sessions = await app.get(ManageSessions)
        assert first.session_id is not None
        page = PageAsk(limit=10, order="asc")
        messages = await sessions.messages(app.actor, first.session_id, page)
        again = app.actor

    assert (first.status, second.status) == ("completed", "completed")
    assert [message.content for message in messages.items] == [
        *("one", "You said: one"),
        *("two", "You said: two"),
    ]
    assert again == actor


async def test_it_has_a_first_user_agents_and_own_tools(place: Path) -> None:
    shop = App(Scripted(ScriptedModels(called("order_status", number=7), said("On its way."))))

    @shop.tool(effect="read")
    def order_status(number: int) -> str:
        """Tells where an order is."""
        return f"Order {number} is on its way."

    async with embedded(shop, data_dir=place) as app:
        profile = await (await app.get(ManageProfile)).get(app.actor)
        agents = await app.get(ManageAgents)
        names = {agent.name for agent in (await agents.list(app.actor, PageAsk())).items}
        clerk = await agents.create(app.actor, NewAgent(name="clerk", tools=("order_status",)))
        answer = await app.ask(Ask(message="Where is 7?", agent_id=clerk.id))

    assert (profile.username, profile.role) == ("admin", "admin")
    assert names == {"general", "code", "research"}
    assert content(answer) == "On its way."


async def test_a_block_that_raises_leaves_nothing_behind(place: Path) -> None:
    with pytest.raises(KeyError):
        async with embedded(echo(), data_dir=place):
            raise KeyError

    assert users_of(place) == {}


def test_without_a_directory_it_leaves_not_even_files() -> None:
    place = asyncio.run(_used())

    assert not place.exists()
    assert users_of(place) == {}


async def _used() -> Path:
    async with embedded(echo()) as app:
        place = Path(str((await app.get(Settings)).data_dir))
        assert (await app.ask("Hello")).status == "completed"

        assert users_of(place)
    return place


async def test_nor_does_a_process_that_is_killed() -> None:
    process, place = await _started("")

    process.kill()
    await process.communicate()

    eventually(lambda: not users_of(Path(place)), "the engines are gone")
    eventually(lambda: not Path(place).exists(), "the files are gone")


async def test_a_directory_that_is_in_use_is_refused_in_one_line(place: Path) -> None:
    async with embedded(echo(), data_dir=place):
        with pytest.raises(EngineError, match=f"{place} is in use by process {os.getpid()}"):
            async with embedded(echo(), data_dir=place):
                raise AssertionError


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
async def test_a_process_that_is_killed_takes_its_engines_along(
    place: Path, number: signal.Signals
) -> None:
    process, session_id = await _started(str(place))

    process.send_signal(number)
    await process.communicate()
    eventually(lambda: not users_of(place), "the engines are gone")

    async with embedded(echo(), data_dir=place) as app:
        sessions = await app.get(ManageSessions)
        found = await sessions.list(app.actor, PageAsk(), end_user=None, agent_id=None)
    assert [str(session.id) for session in found.items] == [session_id]


async def _started(data_dir: str) -> tuple[asyncio.subprocess.Process, str]:
    """Start a program that uses the library; return it, and its directory or, if that is given, its session."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, data_dir),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


async def test_a_watchdog_that_is_killed_comes_back_with_its_engines(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with embedded(echo(), data_dir=place) as app:
        watchdog = int((place / "engines.lock").read_text())

        async def answers() -> bool:
            with suppress(Unavailable):
                return (await app.ask("Hello")).status == "completed"
            return False

        os.kill(watchdog, signal.SIGKILL)
        await in_time(lambda: _is_another(place, watchdog))
        await in_time(answers)


async def _is_another(place: Path, watchdog: int) -> bool:
    noted = (place / "engines.lock").read_text()
    return noted.isdigit() and int(noted) != watchdog


async def test_the_packaged_model_answers_if_it_is_asked_for(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with embedded(data_dir=place, model=True) as app:
            models: Models = await app.get(Models)
            (model,) = await models.list()
            answer = await app.ask("Hello")

    assert model.demonstration
    assert content(answer)
