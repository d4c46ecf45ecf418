"""Commands that upload documents, look at them, search them and ask about them."""

from collections.abc import Sequence
from itertools import islice
from typing import Any
from uuid import UUID

import rich_click as click

from polyagent.adapters.cli.chat.choices import Choices
from polyagent.adapters.cli.columns import json_line, json_lines
from polyagent.adapters.cli.exits import Failed
from polyagent.adapters.cli.options import Command, Place, located
from polyagent.adapters.cli.product import LoadProduct
from polyagent.adapters.cli.reaching import reached, reaching

PIPED = "stdin.txt"


def narrowed(command: Command) -> Command:
    """Give the command `collection` and `named`."""
    options = (
        click.option("--collection", help="Only documents of this collection."),
        click.option(
            "--document",
            "named",
            multiple=True,
            type=click.UUID,
            help="Only this document; may be given several times.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def documents() -> None:
    """Upload documents, search them and ask about them."""


@documents.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--collection", help="Put them into this collection.")
@click.option("--shared", is_flag=True, help="Let everybody of the workspace read them.")
@click.option("--name", default=PIPED, show_default=True, help="What the piped-in file is called.")
@click.option("--json", "as_json", is_flag=True, help="Whole, a line of JSON each.")
@reaching
@located
@click.pass_obj
def add(
    load: LoadProduct,
    /,
    place: Place,
    url: str | None,
    token: str | None,
    files: tuple[str, ...],
    collection: str | None,
    shared: bool,
    name: str,
    as_json: bool,
) -> None:
    """Upload FILES, and wait until they are indexed.

    A directory stands for all documents in it and below, `-` for what is piped in. The same file again is
    the same document.
    """
    from polyagent.adapters.cli.documents.files import sources
    from polyagent.adapters.cli.documents.telling import lines
    from polyagent.adapters.cli.documents.uploading import Upload, fields

    meant = sources(files, name)
    with reached(load, place.settings(), url, token) as server:
        coming = Upload(server, fields(collection, shared=shared))(meant)
        done = []
        for document in coming:
            done.append(document)
            if as_json:
                click.echo(json_line(document))
    for line in () if as_json else lines(done):
        click.echo(line)
    _require_indexed(done)


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
    from polyagent.adapters.cli.documents.telling import lines

    with reached(load, place.settings(), url, token) as server:
        asked = {name: value for name, value in query.items() if value is not None}
        found = islice(server.documents(**asked), limit)
        for line in map(json_line, found) if as_json else lines(found):
            click.echo(line)


@documents.command()
@click.argument("document_id", type=click.UUID)
@reaching
@located
@click.pass_obj
def show(
    load: LoadProduct, /, place: Place, url: str | None, token: str | None, document_id: UUID
) -> None:
    """Show what is known of a document, as JSON."""
    with reached(load, place.settings(), url, token) as server:
        click.echo(json_lines(server.document(document_id)))


@documents.command()
@click.argument("document_ids", nargs=-1, required=True, type=click.UUID)
@reaching
@located
@click.pass_obj
def delete(
    load: LoadProduct,
    /,
    place: Place,
    url: str | None,
    token: str | None,
    document_ids: tuple[UUID, ...],
) -> None:
    """Delete documents with all that they are found by."""
    failed = []
    with reached(load, place.settings(), url, token) as server:
        for document_id in document_ids:
            try:
                server.delete_document(document_id)
                click.echo(f"{document_id} is deleted.")
            except Failed as error:
                failed.append(error.detail)
    if failed:
        raise Failed(" ".join(failed))


@documents.command()
@click.argument("query")
@narrowed
@click.option("--mode", type=click.Choice(["hybrid", "text", "vector"]), help="How to look.")
@click.option(
    "--top-k", type=click.IntRange(1, 100), default=5, show_default=True, help="How many."
)
@click.option("--json", "as_json", is_flag=True, help="Whole, a line of JSON each.")
@reaching
@located
@click.pass_obj
def search(
    load: LoadProduct,
    /,
    place: Place,
    url: str | None,
    token: str | None,
    query: str,
    top_k: int,
    as_json: bool,
    named: tuple[UUID, ...],
    **options: str | None,
) -> None:
    """Show the passages that fit QUERY best, and where they stand."""
    from polyagent.adapters.cli.documents.telling import passages

    ask: dict[str, Any] = {"query": query, "top_k": top_k}
    ask |= {name: value for name, value in options.items() if value is not None}
    ask |= {"document_ids": [str(each) for each in named]} if named else {}
    with reached(load, place.settings(), url, token) as server:
        found = server.search(ask)
    for line in map(json_line, found["items"]) if as_json else passages(found["items"]):
        click.echo(line)
    if options["mode"] is not None and found["note"]:
        click.secho(f"[{found['note']}]", dim=True, err=True)
    if not found["items"]:
        click.secho("[nothing was found]", dim=True, err=True)


@documents.command()
@click.argument("question")
@click.argument("files", nargs=-1)
@narrowed
@click.option("--agent", help="general, code, research, or the name or id of an agent.")
@click.option("--model", help="The model that answers, instead of the agent's own.")
@click.option("--json", "wants_json", is_flag=True, help="Print each event as a line of JSON.")
@click.option("--plain", is_flag=True, help="Show the answer as it stands, not as Markdown.")
@click.option("-v", "--verbose", is_flag=True, help="Say what the answer took.")
@reaching
@located
@click.pass_obj
def ask(
    load: LoadProduct,
    /,
    place: Place,
    url: str | None,
    token: str | None,
    question: str,
    files: tuple[str, ...],
    collection: str | None,
    named: tuple[UUID, ...],
    **options: Any,
) -> None:
    """Answer QUESTION from documents, and show where it stands.

    FILES are uploaded first, into the collection if one is named; a file that the server has already is
    not there twice. Without FILES and --document the answer comes from the collection, else from the
    documents of the agent that is named, else from all that are indexed.
    """
    from polyagent.adapters.cli.chat.opening import conversation
    from polyagent.adapters.cli.documents.asking import asked_about
    from polyagent.adapters.cli.documents.files import sources

    meant = sources(files, PIPED)
    chosen = Choices(goes_on=False, session=None, images=(), cites=True, **options)
    with reached(load, place.settings(), url, token) as server:
        opened = conversation(server, chosen)
        uploaded = _uploaded(server, meant, collection)
        opened.documents = asked_about(
            server, named, uploaded, collection=collection, agent=chosen.agent
        )
        opened.say(question)


def _uploaded(server: Any, meant: Sequence[Any], collection: str | None) -> list[str]:
    """Return the ids of files, all of which are indexed. Raises `Failed`."""
    from polyagent.adapters.cli.documents.uploading import Upload, fields

    done = [*Upload(server, fields(collection))(meant)] if meant else []
    _require_indexed(done)
    return [str(document["id"]) for document in done]


def _require_indexed(done: Sequence[dict[str, Any]]) -> None:
    """Say why some are not, and raise `Failed`."""
    from polyagent.adapters.cli.documents.telling import failures

    failed = failures(done)
    for line in failed:
        click.echo(line, err=True)
    if failed:
        raise Failed(f"{len(failed)} of {len(done)} files could not be indexed.")
