"""Commands that upload documents and look at them."""

import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from polyagent.adapters.cli.exits import Failed
from polyagent.adapters.cli.options import Place, located
from polyagent.adapters.cli.product import LoadProduct
from polyagent.adapters.cli.reaching import access, reaching

Document = dict[str, Any]

COLUMNS = ("id", "filename", "status", "progress", "chunks", "collection", "error")
LOOK_S = 0.3
SETTLED = ("indexed", "failed")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def documents() -> None:
    """Upload documents, and look at them."""


@documents.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--collection", help="Put them into this collection.")
@click.option("--shared", is_flag=True, help="Let everybody of the workspace read them.")
@reaching
@located
@click.pass_obj
def add(
    load: LoadProduct,
    /,
    place: Place,
    url: str | None,
    token: str | None,
    files: tuple[Path, ...],
    collection: str | None,
    shared: bool,
) -> None:
    """Upload files, and wait until they are indexed."""
    from rich.progress import Progress

    fields = {"visibility": "shared" if shared else "private"}
    fields |= {} if collection is None else {"collection": collection}
    with _server(load, place, url, token) as server, Progress(transient=True) as bars:
        tasks = [(bars.add_task(file.name, total=1.0), file) for file in files]
        found = [(bar, server.upload(file, fields)) for bar, file in tasks]
        done = [
            _indexed(server, document, lambda part, bar=bar: bars.update(bar, completed=part))
            for bar, document in found
        ]
    for line in _lines(done):
        click.echo(line)
    if failed := [document for document in done if document["status"] == "failed"]:
        raise Failed(" ".join(f"{each['filename']}: {each['error']['detail']}" for each in failed))


@documents.command("list")
@click.option("--status", help="uploaded, processing, indexed, failed.")
@click.option("--collection", help="Those of this collection.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Whole, a line of JSON each.")
@reaching
@located
@click.pass_obj
def list_documents(
    load: LoadProduct,
    /,
    place: Place,
    url: str | None,
    token: str | None,
    limit: int,
    as_json: bool,
    **query: str | None,
) -> None:
    """Show documents, the newest first."""
    with _server(load, place, url, token) as server:
        asked = {name: value for name, value in query.items() if value is not None}
        found = islice(server.documents(**asked), limit)
        for line in map(_json, found) if as_json else _lines(found):
            click.echo(line)


def _server(load: LoadProduct, place: Place, url: str | None, token: str | None) -> Any:
    """Return a `Server`: imported late, since `--help` does not need it."""
    from polyagent.adapters.cli.server import Server

    return Server(*access(load, place.settings(), url, token))


def _indexed(server: Any, document: Document, tell: Any) -> Document:
    """Look at a document until it is indexed or failed; `tell` gets how far it is."""
    while document["status"] not in SETTLED:
        tell(document["progress"])
        time.sleep(LOOK_S)
        document = server.document(document["id"])
    tell(1.0)
    return document


def _lines(found: Iterable[Document]) -> Iterable[str]:
    """Yield a line a document, in columns, below their names."""
    rows = [COLUMNS, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(map(str.ljust, row, widths)).rstrip()


def _row(document: Document) -> tuple[str, ...]:
    error = document["error"]["code"] if document["error"] else ""
    progress, chunks = f"{document['progress']:.0%}", str(document["chunk_count"])
    told = (document["id"], document["filename"], document["status"], progress, chunks)
    return *told, document["collection"] or "", error


def _json(document: Document) -> str:
    return msgspec.json.encode(document).decode()
