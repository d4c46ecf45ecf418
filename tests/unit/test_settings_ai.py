from pathlib import Path

import pytest

from polyagent.configuration.loading import masked
from tests.unit.test_settings import loaded, refusal

SERVICES = (
    '[{"url": "http://spare:1/v1", "key": "sk-hidden", "proxy": null}, {"url": "unix:/m.sock"}]'
)


def test_services_come_after_the_first_one(tmp_path: Path) -> None:
    environ = {"POLYAGENT_AI__SERVICES": SERVICES, "POLYAGENT_AI__PROXY": "http://proxy:3128"}

    ai = loaded(tmp_path, PYTHON_AI_URL="http://one", PYTHON_AI_KEY="sk-first", **environ).ai

    assert [(each.url, each.key, each.proxy) for each in ai.each()] == [
        ("http://one", "sk-first", "http://proxy:3128"),
        ("http://spare:1/v1", "sk-hidden", None),
        ("unix:/m.sock", None, "http://proxy:3128"),
    ]


def test_services_may_be_all_there_is(tmp_path: Path) -> None:
    ai = loaded(tmp_path, "ai: {services: [{url: 'http://a', context_tokens: 512}]}").ai

    assert [(each.url, each.context_tokens) for each in ai.each()] == [("http://a", 512)]
    assert loaded(tmp_path, "ai: {}").ai.each() == ()


@pytest.mark.parametrize("name", ["KEY", "MODEL", "CONTEXT_TOKENS"])
def test_what_is_the_first_services_is_not_set_without_one(tmp_path: Path, name: str) -> None:
    told = refusal(tmp_path, POLYAGENT_AI__SERVICES=SERVICES, **{f"POLYAGENT_AI__{name}": "4096"})

    assert f"ai.{name.lower()} is" in told
    assert "must be null where ai.url is" in told


def test_prices_are_a_map_in_the_environment_too(tmp_path: Path) -> None:
    settings = loaded(tmp_path, POLYAGENT_AI__PRICES='{"a/b": {"input": 1, "output": 2.5}}')

    assert settings.ai.prices["a/b"].output == 2.5


def test_the_keys_of_services_are_not_shown(tmp_path: Path) -> None:
    settings = loaded(tmp_path, POLYAGENT_AI__SERVICES=SERVICES)
    wrong = refusal(tmp_path, POLYAGENT_AI__SERVICES=SERVICES.replace('"proxy"', '"prox"'))
    in_file = refusal(tmp_path, f"ai: {{services: {SERVICES.replace('http', 'ftp')}}}")

    assert masked(settings)["ai"]["services"][0]["key"] == "***"
    assert "hidden" not in wrong + in_file
    assert "but must be a list of {url, key, model" in wrong
