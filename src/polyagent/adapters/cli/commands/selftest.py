"""The command that kills the server and counts what is lost."""

import asyncio
import secrets

import msgspec
import rich_click as click

from polyagent.adapters.cli.console import TerminalConsole
from polyagent.adapters.cli.exits import FAILED
from polyagent.adapters.cli.options import Place, located
from polyagent.adapters.cli.product import LoadProduct
from polyagent.adapters.cli.selftest import told
from polyagent.domain.selftest import SelftestOptions, SelftestReport

INTERRUPTED = 130


@click.command()
@click.option("--seed", type=click.IntRange(0), help="Ask, read and kill as that drill did.")
@click.option(
    "--kills",
    type=click.IntRange(1, 1000),
    default=6,
    show_default=True,
    help="How many processes to kill.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON; steps on stderr.")
@located
@click.pass_context
def selftest(ctx: click.Context, place: Place, seed: int | None, kills: int, as_json: bool) -> None:
    """Kill gateways and workers in the middle of tool calls, and count what is lost.

    With DATABASE_URL and REDIS_URL in places of its own there, else on engines that are thrown away.
    Nothing of yours is touched, nothing is left behind. Ends with 0 if all held, else with 1.
    """
    options = SelftestOptions(seed=secrets.randbelow(2**31) if seed is None else seed, kills=kills)
    console = TerminalConsole(err=as_json)
    load: LoadProduct = ctx.obj
    try:
        report = load().selftest(place.settings(), options, console.step)
    except asyncio.CancelledError:
        console.stopping("Stopped; nothing is left behind.")
        ctx.exit(INTERRUPTED)
    finally:
        console.done()
    _show(report, as_json=as_json)
    ctx.exit(0 if report.held else FAILED)


def _show(report: SelftestReport, *, as_json: bool) -> None:
    if as_json:
        found = {"held": report.held, "faults": report.faults(), **msgspec.to_builtins(report)}
        click.echo(msgspec.json.encode(found))
        return
    *lines, verdict = told(report)
    for line in lines:
        click.echo(line)
    click.secho(verdict, fg="green" if report.held else "red", bold=True)
