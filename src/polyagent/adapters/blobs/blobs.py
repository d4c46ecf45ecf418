"""Blobs in a directory or in an object store. https://developmentseed.org/obstore/latest/"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from polyagent.domain.errors import BlobGone, StorageUnavailable
from polyagent.settings import SettingsError

BUFFER_BYTES = 5 * 1024 * 1024  # the least that S3 takes as a part
READ_BYTES = 256 * 1024
BATCH = 1000
MAX_RETRIES = 3
RETRY = timedelta(seconds=10)
"""How long a request is tried again. One that is not answered ends after 30 s, and is not."""
DIRECTORY = "documents"
"""Where `file:` is, in the data directory."""


class ObjectBlobs:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def put(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        with _translated():
            writer = obstore.open_writer_async(self._store, name, buffer_size=BUFFER_BYTES)
            async with writer:  # left with an exception it keeps nothing
                async for chunk in chunks:
                    await writer.write(chunk)

    async def read(self, name: str) -> AsyncIterator[bytes]:
        with _translated():
            found = await obstore.get_async(self._store, name)
            async for chunk in found.stream(min_chunk_size=READ_BYTES):
                yield bytes(chunk)

    async def delete(self, name: str) -> None:
        try:
            with _translated():
                await obstore.delete_async(self._store, name)
        except BlobGone:
            return

    async def names(self) -> AsyncIterator[Sequence[str]]:
        with _translated():
            async for batch in obstore.list(self._store, chunk_size=BATCH):
                yield [found["path"] for found in batch]


def store_of(storage: str, directory: Path) -> ObjectStore:
    """Return the store at a URL; `file:` is the directory. A directory is made when it is needed.

    Credentials and addresses of object stores come from their usual environment. Raises `ValueError`,
    which says what is wrong with a URL, and `OSError`.
    """
    if storage.startswith("file:"):
        where = directory if storage == "file:" else Path(unquote(urlsplit(storage).path))
        where.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(where)
    try:
        return from_url(storage, retry_config={"max_retries": MAX_RETRIES, "retry_timeout": RETRY})
    except BaseError as error:
        raise ValueError(str(error).partition("\n")[0]) from error


def require_sound(storage: str) -> None:
    """Raise `SettingsError` for a URL that can lead to no store, before anything needs one."""
    try:
        if not storage.startswith("file:"):
            store_of(storage, Path())
    except ValueError as error:
        raise SettingsError(f"documents.storage cannot be used: {error}.") from error


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what the store says in the product's words; what comes out of the chunks passes as it is."""
    try:
        yield
    except FileNotFoundError as error:
        raise BlobGone("What was uploaded is not in the storage any more.") from error
    except (BaseError, OSError) as error:
        raise StorageUnavailable("The storage of documents does not answer now.") from error
