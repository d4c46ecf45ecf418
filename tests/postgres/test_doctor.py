"""The whole examination, over real engines and a model service on a real socket."""

from pathlib import Path

import msgspec
import pytest

from polyagent.app.checkup import examine
from polyagent.domain.finding import Finding
from polyagent.settings import Ai, Auth, Database, Documents, Redis, Server, Settings
from tests.model_service import ModelService

HIDDEN = "hidden"


@pytest.fixture
def settings(tmp_path: Path, postgres_url: str, redis_url: str) -> Settings:
    return Settings(
        data_dir=str(tmp_path / "data"),
        server=Server(port=0),
        database=Database(url=postgres_url),
        redis=Redis(url=redis_url),
        auth=Auth(jwt_secret="s" * 32),
    )


async def looked(settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    await examine(settings, findings.append)
    return findings


def problems(findings: list[Finding]) -> dict[str, str]:
    return {found.subject: found.text for found in findings if found.level == "problem"}


async def test_engines_from_elsewhere_and_a_model_service_are_well(settings: Settings) -> None:
    async with ModelService(models=["one", "two"]) as service:
        findings = await looked(msgspec.structs.replace(settings, ai=Ai(url=service.url)))

    assert problems(findings) == {}
    told = [finding.text for finding in findings if finding.subject == "model_service"]
    assert "default model one" in told[0]
    assert [text.split(" at ")[0] for text in told[1:]] == ["one", "two"]


async def test_documents_can_be_kept_and_read(settings: Settings) -> None:
    kept, read = [found for found in await looked(settings) if found.subject == "documents"]

    assert (kept.level, kept.text) == ("ok", "the storage file: keeps what it is given")
    assert read.level == "ok"
    assert read.text.startswith("files are read by a child process: pdf, docx")
    assert not [*(Path(str(settings.data_dir)) / "documents").iterdir()]


async def test_a_storage_that_takes_nothing_is_a_problem(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "documents").write_text("in the way")

    assert problems(await looked(settings))["documents"] == (
        "the storage file: takes nothing: FileExistsError"
    )


async def test_a_storage_elsewhere_that_is_away_is_a_problem(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", HIDDEN)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", HIDDEN)
    away = msgspec.structs.replace(settings, documents=Documents(storage="s3://bucket"))

    findings = await looked(away)

    assert "documents" in problems(findings)
    assert HIDDEN not in str(findings)


async def test_each_thing_that_is_away_is_told_and_hides_no_other(settings: Settings) -> None:
    away = f"me:{HIDDEN}@127.0.0.1:1"
    broken = msgspec.structs.replace(
        settings,
        redis=Redis(url=f"redis://{away}/0"),
        ai=Ai(url="http://127.0.0.1:1/v1", key=HIDDEN),
    )

    findings = await looked(broken)

    assert set(problems(findings)) == {"redis", "model_service"}
    assert any(found.text.startswith("PostgreSQL") for found in findings)
    assert HIDDEN not in str(findings)


async def test_a_model_service_that_refuses_the_key_is_a_problem(settings: Settings) -> None:
    async with ModelService(key="right") as service:
        ai = Ai(url=service.url, key=HIDDEN)
        findings = await looked(msgspec.structs.replace(settings, ai=ai))

    assert set(problems(findings)) == {"model_service"}
    assert HIDDEN not in str(findings)


async def test_no_model_service_is_a_problem_that_says_what_to_set(settings: Settings) -> None:
    (found,) = [found for found in await looked(settings) if found.level == "problem"]

    assert found.subject == "model_service"
    assert "set PYTHON_AI_URL" in found.text


async def test_no_secret_for_engines_from_elsewhere_is_a_problem(settings: Settings) -> None:
    unset = msgspec.structs.replace(settings, auth=Auth())

    assert problems(await looked(unset))["settings"].startswith("JWT_SECRET is not set")


async def test_where_nothing_runs_it_says_how_to_start(tmp_path: Path) -> None:
    nothing = Settings(data_dir=str(tmp_path / "data"), server=Server(port=0))

    (found,) = [found for found in await looked(nothing) if found.level == "problem"]

    assert (found.subject, found.advice) == ("server", "start it: polyagent up")
    assert not (tmp_path / "data").exists()
