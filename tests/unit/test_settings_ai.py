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


EMBEDDINGS = '{"model": "e5", "url": "http://embed:1", "key": "sk-hidden", "width": 256}'


def test_the_services_of_documents_are_set_in_the_environment_and_in_a_file(tmp_path: Path) -> None:
    rerank = '{"model": "judge", "url": "http://judge:1", "key": "sk-hidden"}'
    settings = loaded(
        tmp_path,
        f"documents: {{embeddings: {EMBEDDINGS}}}",
        POLYAGENT_DOCUMENTS__RERANK=rerank,
    )

    assert settings.documents.embeddings is not None
    assert settings.documents.embeddings.width == 256
    assert settings.documents.rerank is not None
    assert settings.documents.rerank.most == 50
    shown = masked(settings)["documents"]
    assert (shown["embeddings"]["key"], shown["rerank"]["key"]) == ("***", "***")
    assert "hidden" not in str(masked(settings))


@pytest.mark.parametrize(
    "wrong",
    ["{}", '{"model": ""}', '{"model": "e5", "width": 9000}', "e5", '{"modle": "sk-hidden"}'],
)
def test_a_wrong_embedding_service_is_told_without_its_key(tmp_path: Path, wrong: str) -> None:
    told = refusal(tmp_path, PYTHON_AI_URL="http://a", POLYAGENT_DOCUMENTS__EMBEDDINGS=wrong)

    assert "documents.embeddings is" in told
    assert "null or {model, url, key" in told
    assert "hidden" not in told


def test_embeddings_come_from_the_service_of_ai_or_have_an_address(tmp_path: Path) -> None:
    lone = '{"model": "e5"}'

    told = refusal(tmp_path, POLYAGENT_DOCUMENTS__EMBEDDINGS=lone)
    beside = loaded(tmp_path, PYTHON_AI_URL="http://a", POLYAGENT_DOCUMENTS__EMBEDDINGS=lone)

    assert "with a url where ai.url is null" in told
    assert beside.documents.embeddings is not None
