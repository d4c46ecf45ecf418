"""The command that shows the tools."""

import msgspec
import rich_click as click

from polyagent.adapters.cli.options import Place, extended, located
from polyagent.adapters.cli.product import LoadProduct
from polyagent.domain.tool import Tool


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Whole, with their schemas, as JSON.")
@extended
@located
@click.pass_obj
def tools(load: LoadProduct, place: Place, as_json: bool) -> None:
    """Show the tools that agents may use here: name, source, effect, and what each does.

    No server has to run.
    """
    found = load().tools(place.settings())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    width = max((len(tool.name) for tool in found), default=0)
    for tool in found:
        click.echo(f"{tool.name:{width}}  {tool.source:8}  {tool.effect:5}  {_said(tool)}")


def _said(tool: Tool) -> str:
    if tool.unavailable_reason is not None:
        return f"not available: {tool.unavailable_reason}"
    return tool.description.splitlines()[0]
