"""Documents whose storage does not answer, or has lost what was in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from polyagent.adapters.blobs.provider import BlobsProvider
from polyagent.domain.ids import new_id
from polyagent.ports.documents.blobs import Blobs
from polyagent.settings import Documents
from polyagent.usecases.documents.sweep_blobs import SweepBlobs
from tests.api.house import SETTINGS, House, in_one_task
from tests.api.test_documents import DOCUMENTS, STORY, at_work, blobs_of, settled, uploads

OLD = datetime(2024, 1, 1, tzinfo=UTC)


class Cellar:
    """A house whose documents are in a directory."""

    def __init__(self, house: House, directory: Path) -> None:
        self.house = house
        self._directory = directory
        self._elsewhere = directory.with_name("elsewhere")

    def locks(self) -> None:
        """Have the storage not answer."""
        self._directory.rename(self._elsewhere)
        self._directory.write_text("a file in its place")

    def opens(self) -> None:
        self._directory.unlink()
        self._elsewhere.rename(self._directory)

    def loses(self) -> None:
        for file in self._directory.iterdir():
            file.unlink()


@pytest.fixture
async def cellar(tmp_path: Path) -> AsyncIterator[Cellar]:
    async with in_one_task(_lived_in(tmp_path)) as house:
        yield Cellar(house, tmp_path / "documents")


@asynccontextmanager
async def _lived_in(directory: Path) -> AsyncIterator[House]:
    settings = msgspec.structs.replace(SETTINGS, documents=Documents(chunk_tokens=50))
    async with House(
        settings, BlobsProvider(directory, settings.documents.storage)
    ).open() as house:
        yield house


async def test_an_upload_without_a_storage_is_told_to_come_again(cellar: Cellar) -> None:
    ann = cellar.house.ann
    await blobs_of(cellar.house)
    cellar.locks()

    away = await uploads(ann, file=("fox.md", STORY))
    cellar.opens()
    again = await uploads(ann, file=("fox.md", STORY))

    away.as_problem(503, "storage_unavailable")
    assert int(away.headers["retry-after"]) >= 1
    assert again.status == 202
    assert len(await blobs_of(cellar.house)) == 1
    assert len((await ann.get(DOCUMENTS)).json["items"]) == 1


async def test_a_document_is_deleted_though_its_storage_is_away(cellar: Cellar) -> None:
    ann = cellar.house.ann
    address = f"{DOCUMENTS}/{(await uploads(ann, file=('fox.md', STORY))).json['id']}"
    cellar.locks()

    hidden = await ann.get(f"{address}/content")
    gone = await ann.request("DELETE", address)
    again = await ann.request("DELETE", address)
    cellar.opens()

    hidden.as_problem(503, "storage_unavailable")
    assert "retry-after" in hidden.headers
    assert (gone.status, again.status) == (204, 404)
    assert len(await blobs_of(cellar.house)) == 1  # what is swept a day after its upload


async def test_what_the_storage_has_lost_says_so(cellar: Cellar) -> None:
    ann = cellar.house.ann
    document = (await uploads(ann, file=("fox.md", STORY))).json
    cellar.loses()

    answer = await ann.get(f"{DOCUMENTS}/{document['id']}/content")
    async with at_work(cellar.house):
        failed = await settled(ann, document)

    answer.as_problem(422, "blob_gone")
    assert (failed["status"], failed["error"]["code"]) == ("failed", "blob_gone")


async def test_what_belongs_to_no_document_is_swept_after_a_day(cellar: Cellar) -> None:
    ann, container = cellar.house.ann, cellar.house.container
    document = (await uploads(ann, file=("fox.md", STORY))).json
    (kept,) = await blobs_of(cellar.house)
    blobs = await container.get(Blobs)
    old = str(UUID(int=(int(OLD.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62)))
    for name in (old, str(new_id()), "notes.txt"):
        await blobs.put(name, _lines(b"left over"))

    swept = await (await container.get(SweepBlobs))()

    assert swept == 1
    assert old not in await blobs_of(cellar.house)
    assert {kept, "notes.txt"} < set(await blobs_of(cellar.house))
    assert (await ann.get(f"{DOCUMENTS}/{document['id']}/content")).body == STORY


async def _lines(*lines: bytes) -> AsyncIterator[bytes]:
    for line in lines:
        yield line
