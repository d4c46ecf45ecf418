"""Blobs, in memory, in a directory and in an S3 that stands on this machine."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from polyagent.adapters.blobs.blobs import BUFFER_BYTES, MAX_RETRIES, ObjectBlobs, store_of
from polyagent.adapters.blobs.provider import BlobsProvider
from polyagent.adapters.memory.documents.blobs import MemoryBlobs
from polyagent.domain.errors import BlobGone, StorageUnavailable
from polyagent.ports.documents.blobs import Blobs
from polyagent.settings import SettingsError

BUCKET = "papers"


class Broken(Exception):
    """What a client does in the middle of an upload."""


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["memory", "directory", "s3"])
async def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "memory":
        return MemoryBlobs()
    if request.param == "directory":
        return ObjectBlobs(store_of("file:", tmp_path / "documents"))
    bucket = f"{BUCKET}-{tmp_path.name.replace('_', '-').lower()[-40:].strip('-')}"
    return await _s3(request, f"s3://{bucket}", tmp_path)


async def _s3(request: pytest.FixtureRequest, url: str, tmp_path: Path) -> Blobs:
    address = request.getfixturevalue("s3")
    patch = request.getfixturevalue("monkeypatch")
    for name, value in {
        "AWS_ENDPOINT_URL": address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        patch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
    await asyncio.to_thread(client.create_bucket, Bucket=url.removeprefix("s3://"))
    return ObjectBlobs(store_of(url, tmp_path))


async def test_a_store_that_fails_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def fails(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await reader.readuntil(b"\r\n\r\n")
        asked += 1
        writer.write(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(fails, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    blobs = ObjectBlobs(store_of(f"s3://{BUCKET}", tmp_path))

    async with server:
        with pytest.raises(StorageUnavailable):
            await blobs.delete("a")

    assert asked <= 1 + MAX_RETRIES


async def content(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def read(blobs: Blobs, name: str) -> bytes:
    return b"".join([piece async for piece in blobs.read(name)])


async def names(blobs: Blobs) -> list[str]:
    return [name async for batch in blobs.names() for name in batch]


async def test_what_is_put_is_read_again(blobs: Blobs) -> None:
    large = [b"a" * 1_000_000, b"b" * BUFFER_BYTES, b"c"]

    await blobs.put("large", content(*large))
    await blobs.put("empty", content())

    assert await read(blobs, "large") == b"".join(large)
    assert await read(blobs, "empty") == b""
    assert sorted(await names(blobs)) == ["empty", "large"]


async def test_of_what_breaks_off_nothing_is_kept(blobs: Blobs) -> None:
    async def breaks() -> AsyncIterator[bytes]:
        yield b"a" * (2 * BUFFER_BYTES)
        raise Broken

    with pytest.raises(Broken):
        await blobs.put("torn", breaks())

    assert await names(blobs) == []
    with pytest.raises(BlobGone):
        await read(blobs, "torn")


async def test_what_is_deleted_is_gone(blobs: Blobs) -> None:
    await blobs.put("a", content(b"a"))

    await blobs.delete("a")
    await blobs.delete("a")

    assert await names(blobs) == []


async def test_a_store_that_is_away_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "documents"
    blobs = ObjectBlobs(store_of("file:", directory))
    directory.rmdir()
    directory.write_text("a file in its place")

    with pytest.raises(StorageUnavailable):
        await blobs.put("a", content(b"a"))


def test_the_directory_is_nobody_elses(tmp_path: Path) -> None:
    store_of("file:", tmp_path / "documents")

    assert (tmp_path / "documents").stat().st_mode & 0o777 == 0o700


def test_a_directory_of_the_operators_is_made(tmp_path: Path) -> None:
    store_of(f"file://{tmp_path}/my%20documents/here", tmp_path)

    assert (tmp_path / "my documents" / "here").stat().st_mode & 0o777 == 0o700


def test_a_storage_that_cannot_be_one_says_so_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"documents\.storage .*Account"):
        BlobsProvider(tmp_path, "az://account/container")
