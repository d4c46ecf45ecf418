"""What plugins and POLYAGENT_APP name is added to a process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from dishka import AsyncContainer, Provider, Scope, provide

from polyagent.adapters.functions.provider import BUILTIN
from polyagent.adapters.memory.models import ScriptedModels
from polyagent.app import App, container
from polyagent.ports.clock import Clock
from polyagent.ports.models import Models
from polyagent.ports.tools import Tools
from polyagent.settings import Database, Settings, SettingsError

HERE = __name__
SETTINGS = Settings(database=Database(url="postgresql://localhost"))  # nothing is asked of it
Install = Callable[[str, str], None]


class Scripted(Provider):
    scope = Scope.APP

    @provide
    def models(self) -> Models:
        return ScriptedModels()


class Demanding(Provider):
    scope = Scope.APP

    @provide
    def clock(self, tune: Path) -> Clock:
        raise AssertionError(tune)


def providers() -> list[Provider]:
    return [Scripted()]


def factory() -> App:
    return app


app = App(Scripted())
several = [Scripted(), app]
nothing_of_the_kind = "text"


@app.tool(effect="read")
def order_status(number: int) -> str:
    """Tells where an order is."""
    return f"{number} is on its way"


namesake = App()


@namesake.tool
def calculator(number: int) -> int:
    """Computes."""
    return number


twice = App()
twice.tool(order_status)
twice.tool(order_status)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a distribution that has an entry point."""

    def installed(name: str, target: str) -> None:
        information = tmp_path / f"{name}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (information / "entry_points.txt").write_text(f"[polyagent.plugins]\n{name} = {target}\n")
        monkeypatch.syspath_prepend(tmp_path)

    return installed


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], AsyncContainer]:
    def with_app(target: str) -> AsyncContainer:
        monkeypatch.setenv("POLYAGENT_APP", target)
        return container(SETTINGS)

    return with_app


@pytest.mark.parametrize("target", ["app", "providers", "factory", "several"])
async def test_it_replaces_a_port(named: Callable[[str], AsyncContainer], target: str) -> None:
    use_cases = named(f"{HERE}:{target}")

    assert isinstance(await use_cases.get(Models), ScriptedModels)
    await use_cases.close()


async def test_its_tools_stand_beside_the_built_in_ones(
    named: Callable[[str], AsyncContainer],
) -> None:
    use_cases = named(f"{HERE}:app")

    tools = (await use_cases.get(Tools)).list()
    await use_cases.close()

    assert {tool.name for tool in tools if tool.source == "builtin"} == BUILTIN
    assert [tool.name for tool in tools if tool.source == "function"] == ["order_status"]


async def test_a_plugin_counts_without_being_named(install: Install) -> None:
    install("shop", f"{HERE}:app")

    use_cases = container(SETTINGS)
    tools = await use_cases.get(Tools)
    await use_cases.close()

    assert tools.get("order_status").source == "function"


def test_a_plugin_that_breaks_is_named(install: Install) -> None:
    install("shop", f"{HERE}:nothing")

    with pytest.raises(SettingsError, match=rf"^The plugin shop \({HERE}:nothing\): Attr"):
        container(Settings())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import nowhere_at_all", ":1: ModuleNotFoundError: No module named 'nowhere_at_all'."),
        ("\n\nboom()", ":3: NameError: name 'boom' is not defined."),
        ("def (:", "SyntaxError: invalid syntax (broken.py, line 1)."),
        ("raise SystemExit(0)", ":1: SystemExit: 0."),
        (
            "from polyagent.app import App\n\nApp().tool(lambda x: x)",
            ":3: ValueError: '<lambda>' is no name of a tool: up to 64 of A-Z a-z 0-9 _ - are.",
        ),
    ],
)
def test_a_module_that_breaks_is_one_line_that_says_where(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: Callable[[str], AsyncContainer],
    text: str,
    why: str,
) -> None:
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(SettingsError) as caught:
        named("broken:app")

    place = tmp_path / "broken.py" if why.startswith(":") else ""
    assert caught.value.detail == f"POLYAGENT_APP=broken:app: {place}{why}"


@pytest.mark.parametrize(
    "target",
    [
        "no.such:thing",
        f"{HERE}:nothing",
        "nonsense",
        ":x",
        f"{HERE}:nothing_of_the_kind",
        f"{HERE}:Scripted",
        f"{HERE}:order_status",
    ],
)
def test_a_name_that_leads_nowhere_stops_the_start(
    named: Callable[[str], AsyncContainer], target: str
) -> None:
    with pytest.raises(SettingsError, match="POLYAGENT_APP"):
        named(target)


@pytest.mark.parametrize(
    ("target", "name"), [("namesake", "calculator"), ("twice", "order_status")]
)
def test_two_tools_of_one_name_stop_the_start(
    named: Callable[[str], AsyncContainer], target: str, name: str
) -> None:
    with pytest.raises(SettingsError, match=f"There are two tools named {name}:"):
        named(f"{HERE}:{target}")


def test_providers_that_ask_for_what_nobody_gives_stop_the_start() -> None:
    with pytest.raises(SettingsError, match=r"do not fit together.*Path") as caught:
        container(Settings(), Demanding())

    assert "Demanding" in caught.value.detail
