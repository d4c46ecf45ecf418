"""The command that looks at everything and says how it is."""

import os
import sys

import rich_click as click

from polyagent.adapters.cli.exits import FAILED
from polyagent.adapters.cli.findings import as_json, as_text, in_order, of_health
from polyagent.adapters.cli.options import Place, address, located
from polyagent.adapters.cli.product import LoadProduct
from polyagent.adapters.cli.within import Tell, within
from polyagent.configuration.loading import settle
from polyagent.configuration.sources import Values
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.finding import Finding, problem
from polyagent.settings import SettingsError

LIMIT_S = 45.0


@click.command()
@click.option(
    "--url", callback=address, help="Look at the server of this address: what it tells everybody."
)
@click.option("--json", "wants_json", is_flag=True, help="Print one JSON object, for scripts.")
@located
@click.pass_context
def doctor(ctx: click.Context, place: Place, url: str | None, wants_json: bool) -> None:
    """Look at the configuration, this machine, the database, Redis and the models.

    Each finding is ok, a warning or a problem, with what to do, down to the GRANT lines that an
    external PostgreSQL lacks. Nothing is changed. Ends with 1 if there is a problem, else with 0.
    """
    values: Values = {}
    if url is not None:
        findings, hung = within(LIMIT_S, lambda tell: _ask(url, tell))
    else:
        try:
            values = place.values()
            settings = settle(values)
        except SettingsError as error:
            findings, hung = [problem("settings", error.detail)], False
        else:
            load: LoadProduct = ctx.obj
            findings, hung = within(LIMIT_S, lambda tell: load().examine(settings, tell))
    findings = in_order(findings)
    _show(findings, values, wants_json=wants_json)
    code = FAILED if any(finding.level == "problem" for finding in findings) else 0
    if hung:
        _leave(code)
    ctx.exit(code)


def _ask(url: str, tell: Tell) -> None:
    from polyagent.adapters.cli.server import Server

    try:
        with Server(url, token=str) as server:
            for finding in of_health(server.health()):
                tell(finding)
    except PolyAgentError as error:
        tell(problem("server", error.detail))


def _show(findings: list[Finding], values: Values, *, wants_json: bool) -> None:
    if wants_json:
        click.echo(as_json(findings, values))
        return
    for line in as_text(findings, values):
        click.echo(line)


def _leave(code: int) -> None:
    """End now: the interpreter would wait for the thread that hangs."""
    sys.stdout.flush()
    os._exit(code)
