"""The command that moves the database's schema."""

import rich_click as click

from polyagent.adapters.cli.options import Place, located
from polyagent.adapters.cli.product import LoadProduct


@click.command()
@click.argument("revision", required=False)
@click.option("--down", is_flag=True, help="Go back to REVISION instead of forward.")
@located
@click.pass_obj
def migrate(load: LoadProduct, place: Place, revision: str | None, down: bool) -> None:
    """Bring the database's schema to REVISION; without one, to the newest.

    `up` does this by itself.
    """
    if down and revision is None:
        raise click.UsageError("--down needs the REVISION to go back to.")
    reached = load().migrate(place.settings(), revision or "head", down=down)
    click.echo(f"The schema is at {reached}.")
