"""Commands that look at tasks and change them."""

import time
from collections.abc import Iterable
from itertools import islice
from typing import Any
from uuid import UUID

import rich_click as click

from polyagent.adapters.cli.columns import in_columns, json_line, json_lines
from polyagent.adapters.cli.options import Place, located
from polyagent.adapters.cli.product import LoadProduct
from polyagent.adapters.cli.reaching import reached, reaching

Task = dict[str, Any]

COLUMNS = ("id", "kind", "status", "attempts", "created_at", "error")
LOOK_S = 1.0


@click.group()
def tasks() -> None:
    """Look at what is done later, and change it."""


@tasks.command("list")
@click.option("--status", help="scheduled, queued, running, retrying, succeeded, dead, cancelled.")
@click.option("--kind", help="Tasks of this kind.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Whole, a line of JSON each.")
@reaching
@located
@click.pass_obj
def list_tasks(
    load: LoadProduct,
    /,
    place: Place,
    url: str | None,
    token: str | None,
    limit: int,
    as_json: bool,
    **query: str | None,
) -> None:
    """Show tasks, the newest first."""
    with reached(load, place.settings(), url, token) as server:
        asked = {name: value for name, value in query.items() if value is not None}
        found = islice(server.tasks(**asked), limit)
        for line in map(json_line, found) if as_json else _lines(found):
            click.echo(line)


@tasks.command()
@click.argument("task_id", type=click.UUID)
@reaching
@located
@click.pass_obj
def show(
    load: LoadProduct, /, place: Place, url: str | None, token: str | None, task_id: UUID
) -> None:
    """Show a task with all its attempts, as JSON."""
    with reached(load, place.settings(), url, token) as server:
        click.echo(json_lines(server.task(task_id)))


@tasks.command()
@click.argument("task_id", type=click.UUID)
@reaching
@located
@click.pass_obj
def cancel(
    load: LoadProduct, /, place: Place, url: str | None, token: str | None, task_id: UUID
) -> None:
    """Cancel a task: one that runs is told so."""
    with reached(load, place.settings(), url, token) as server:
        click.echo(_changed(server.change_task(task_id, "cancel")))


@tasks.command()
@click.argument("task_id", type=click.UUID)
@reaching
@located
@click.pass_obj
def retry(
    load: LoadProduct, /, place: Place, url: str | None, token: str | None, task_id: UUID
) -> None:
    """Try a dead task again."""
    with reached(load, place.settings(), url, token) as server:
        click.echo(_changed(server.change_task(task_id, "retry")))


@tasks.command()
@click.option("--kind", help="Tasks of this kind.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, help="How many.")
@reaching
@located
@click.pass_obj
def watch(
    load: LoadProduct,
    /,
    place: Place,
    url: str | None,
    token: str | None,
    limit: int,
    kind: str | None,
) -> None:
    """Show the newest tasks as they change, until Ctrl-C."""
    from rich.live import Live

    with reached(load, place.settings(), url, token) as server, Live(auto_refresh=False) as live:
        while True:
            query = {} if kind is None else {"kind": kind}
            found = islice(server.tasks(**query), limit)
            live.update("\n".join(_lines(found)), refresh=True)
            time.sleep(LOOK_S)


def _lines(found: Iterable[Task]) -> Iterable[str]:
    return in_columns([COLUMNS, *map(_row, found)])


def _row(task: Task) -> tuple[str, ...]:
    error = task["error"]["code"] if task["error"] else ""
    attempts = f"{len(task['attempts'])}/{task['max_attempts']}"
    return task["id"], task["kind"], task["status"], attempts, task["created_at"], error


def _changed(task: Task) -> str:
    return f"{task['id']} is {task['status']}."
