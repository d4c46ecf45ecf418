"""Commands that start, stop and clear the server."""

import os
import sys
from pathlib import Path

import msgspec
import rich_click as click

from polyagent.adapters.cli.console import TerminalConsole
from polyagent.adapters.cli.options import Place, extended, listening, located
from polyagent.adapters.cli.product import LoadProduct
from polyagent.ports.console import UpOptions


@click.command()
@listening
@click.option(
    "--model",
    "model_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Answer with this GGUF model instead of the packaged one.",
)
@extended
@located
@click.pass_context
def up(
    ctx: click.Context,
    place: Place,
    host: str | None,
    port: int | None,
    workers: int | None,
    model_file: Path | None,
) -> None:
    """Start everything on this machine and show how to use it.

    Whatever is not configured elsewhere (DATABASE_URL, REDIS_URL, PYTHON_AI_URL) is started here:
    PostgreSQL, Valkey and a small language model, all kept in the data directory.
    """
    settings = place.settings(host=host, port=port, workers=workers)
    if place.config is not None:
        os.environ["POLYAGENT_CONFIG"] = str(place.config.absolute())  # the children read it, too
    ask = sys.stdin.isatty() and sys.stdout.isatty()
    options = UpOptions(model_file=model_file, ask=ask)
    ctx.exit(_load(ctx)().up(settings, options, TerminalConsole()))


@click.command()
@listening
@click.option(
    "--reuse-port", is_flag=True, help="Start beside another on the same port: a rolling restart."
)
@extended
@located
@click.pass_context
def serve(
    ctx: click.Context,
    place: Place,
    host: str | None,
    port: int | None,
    workers: int | None,
    reuse_port: bool,
) -> None:
    """Run a gateway: on DATABASE_URL and REDIS_URL, else on those of a running `up`."""
    settings = place.settings(host=host, port=port, workers=workers)
    ctx.exit(_load(ctx)().serve(settings, reuse_port=reuse_port))


@click.command()
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Tasks at once; 20 unless set.")
@click.option("--kinds", metavar="A,B", help="Do tasks of these kinds only.")
@extended
@located
@click.pass_context
def worker(ctx: click.Context, place: Place, concurrency: int | None, kinds: str | None) -> None:
    """Run a worker: it does tasks, executes runs and takes over those of processes that died."""
    settings = place.settings()
    queue = settings.queue
    if concurrency is not None:
        queue = msgspec.structs.replace(queue, concurrency=concurrency)
    if kinds is not None:
        chosen = tuple(filter(None, (kind.strip() for kind in kinds.split(","))))
        queue = msgspec.structs.replace(queue, kinds=chosen)
    ctx.exit(_load(ctx)().worker(msgspec.structs.replace(settings, queue=queue)))


@click.command(hidden=True)
@located
@click.pass_obj
def prepare(load: LoadProduct, place: Place) -> None:
    """Migrate the database and make the first user; print what was done as a line of JSON."""
    click.echo(msgspec.json.encode(load().prepare(place.settings())))


@click.command()
@located
@click.pass_obj
def down(load: LoadProduct, place: Place) -> None:
    """Stop the `up` of the data directory, in order."""
    settings, product = place.settings(), load()
    stopped = product.down(settings)
    where = product.data_dir(settings)
    click.echo(f"Stopped the server of {where}." if stopped else f"No server runs on {where}.")


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@located
@click.pass_obj
def reset(load: LoadProduct, place: Place, yes: bool) -> None:
    """Delete everything that the server keeps: users, agents, sessions, passwords."""
    settings, product = place.settings(), load()
    where = product.data_dir(settings)
    if not yes:
        click.confirm(f"Delete everything that PolyAgent keeps in {where}?", abort=True)
    product.reset(settings)
    click.echo(f"Deleted. The next `polyagent up` begins anew in {where}.")


def _load(ctx: click.Context) -> LoadProduct:
    load: LoadProduct = ctx.obj
    return load
