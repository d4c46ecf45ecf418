"""Commands that look at schedules, pause, resume and trigger them."""

from itertools import islice
from typing import Any
from uuid import UUID

import rich_click as click

from polyagent.adapters.cli.columns import in_columns, json_line
from polyagent.adapters.cli.options import Place, located
from polyagent.adapters.cli.product import LoadProduct
from polyagent.adapters.cli.reaching import reached, reaching

COLUMNS = ("id", "name", "cron", "timezone", "kind", "next_fire_at", "last_fire_at")


@click.group()
def schedules() -> None:
    """Look at what is done again and again, and pause it."""


@schedules.command("list")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Whole, a line of JSON each.")
@reaching
@located
@click.pass_obj
def list_schedules(
    load: LoadProduct,
    /,
    place: Place,
    url: str | None,
    token: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show schedules, the newest first."""
    with reached(load, place.settings(), url, token) as server:
        found = [*islice(server.schedules(), limit)]
    for line in map(json_line, found) if as_json else in_columns([COLUMNS, *map(_row, found)]):
        click.echo(line)


@schedules.command()
@click.argument("schedule_id", type=click.UUID)
@reaching
@located
@click.pass_obj
def pause(
    load: LoadProduct, /, place: Place, url: str | None, token: str | None, schedule_id: UUID
) -> None:
    """Let a schedule fire no more until it is resumed."""
    with reached(load, place.settings(), url, token) as server:
        server.change_schedule(schedule_id, "pause")
    click.echo(f"{schedule_id} is paused.")


@schedules.command()
@click.argument("schedule_id", type=click.UUID)
@reaching
@located
@click.pass_obj
def resume(
    load: LoadProduct, /, place: Place, url: str | None, token: str | None, schedule_id: UUID
) -> None:
    """Let a schedule fire again, from now on."""
    with reached(load, place.settings(), url, token) as server:
        schedule = server.change_schedule(schedule_id, "resume")
    following = schedule["next_fire_at"]
    told = f"fires next at {following}." if following else "has ended: it fires no more."
    click.echo(f"{schedule_id} {told}")


@schedules.command()
@click.argument("schedule_id", type=click.UUID)
@reaching
@located
@click.pass_obj
def trigger(
    load: LoadProduct, /, place: Place, url: str | None, token: str | None, schedule_id: UUID
) -> None:
    """Do a schedule's task now; its next time stays."""
    with reached(load, place.settings(), url, token) as server:
        task = server.change_schedule(schedule_id, "trigger")
    click.echo(f"The task {task['id']} is {task['status']}.")


def _row(schedule: dict[str, Any]) -> tuple[str, ...]:
    following = schedule["next_fire_at"] or ("ended" if schedule["enabled"] else "paused")
    return (
        *(schedule[name] for name in ("id", "name", "cron", "timezone")),
        schedule["task"]["kind"],
        following,
        schedule["last_fire_at"] or "",
    )
