"""What POLYAGENT_APP names takes the place of our own adapters."""

import pytest
from dishka import Provider, Scope, provide

from polyagent.adapters.memory.models import ScriptedModels
from polyagent.app import container
from polyagent.ports.models import Models
from polyagent.settings import Settings, SettingsError


class Scripted(Provider):
    scope = Scope.APP

    @provide
    def models(self) -> Models:
        return ScriptedModels()


def providers() -> list[Provider]:
    return [Scripted()]


async def test_it_replaces_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYAGENT_APP", f"{__name__}:providers")
    use_cases = container(Settings())
    assert isinstance(await use_cases.get(Models), ScriptedModels)
    await use_cases.close()


@pytest.mark.parametrize("target", ["no.such:thing", f"{__name__}:nothing", "nonsense", ":x"])
def test_a_name_that_leads_nowhere_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.setenv("POLYAGENT_APP", target)
    with pytest.raises(SettingsError, match="POLYAGENT_APP"):
        container(Settings())
