"""Whether the storage of documents keeps what it is given."""

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

from obstore.exceptions import BaseError

from polyagent.adapters.blobs.blobs import ObjectBlobs, store_of
from polyagent.configuration.wording import masked
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.finding import Finding, ok, problem
from polyagent.domain.ids import new_id
from polyagent.settings import Documents

MARK = b"polyagent doctor"
HERE = "may this user write to the documents directory in the data directory?"
ELSEWHERE = "check documents.storage, and the credentials and the address in the environment"


async def checkup(settings: Documents, directory: Path) -> AsyncGenerator[Finding, None]:
    """Write a few bytes, read them and take them away again. Never raises."""
    where = masked("documents.storage", settings.storage)
    try:
        read = await _kept(ObjectBlobs(store_of(settings.storage, directory)))
    except (PolyAgentError, BaseError, OSError, ValueError) as error:
        advice = HERE if settings.storage.startswith("file:") else ELSEWHERE
        yield problem("documents", f"the storage {where} takes nothing: {_line(error)}", advice)
        return
    if read == MARK:
        yield ok("documents", f"the storage {where} keeps what it is given")
    else:
        yield problem("documents", f"the storage {where} gives back something else")


async def _kept(blobs: ObjectBlobs) -> bytes:
    name = str(new_id())
    await blobs.put(name, _mark())
    try:
        return b"".join([chunk async for chunk in blobs.read(name)])
    finally:
        await blobs.delete(name)


async def _mark() -> AsyncIterator[bytes]:
    yield MARK


def _line(error: Exception) -> str:
    """Return the cause, which the product's own words leave out."""
    told = error.__cause__ or error
    return type(told).__name__
