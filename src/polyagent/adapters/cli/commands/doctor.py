"""The command that looks at everything and says how it is."""

import platform
from collections.abc import Iterator, Sequence

import msgspec
import rich_click as click

from polyagent import __version__
from polyagent.adapters.cli.exits import FAILED
from polyagent.adapters.cli.options import Place, address, located
from polyagent.adapters.cli.product import Container, LoadProduct, Product
from polyagent.adapters.cli.waiting import wait
from polyagent.configuration.loading import settle
from polyagent.configuration.sources import Values
from polyagent.configuration.wording import shown
from polyagent.domain.errors import PolyAgentError, Unavailable
from polyagent.domain.health import Component
from polyagent.domain.model import ModelInfo
from polyagent.settings import Settings

COLORS = {"ok": "green", "degraded": "yellow", "missing": "yellow", "down": "red"}


class Findings(msgspec.Struct, frozen=True):
    components: dict[str, Component]
    models: Sequence[ModelInfo] = ()

    @property
    def are_good(self) -> bool:
        return all(component.status == "ok" for component in self.components.values())


@click.command()
@click.option(
    "--url", callback=address, help="Look at the server of this address: what it tells everybody."
)
@located
@click.pass_context
def doctor(ctx: click.Context, place: Place, url: str | None) -> None:
    """Look at the configuration, the database, the engines and the models.

    Ends with 0 if all is well, else with 1.
    """
    load: LoadProduct = ctx.obj
    click.echo(
        f"PolyAgent {__version__}, Python {platform.python_version()}, {platform.platform()}"
    )
    if url is None:
        values = place.values()
        settings = settle(values)
        _section("Configuration", _configured(settings, values))
        findings = wait(_look(load(), settings))
    else:
        findings = _ask(url)
    _section("Components", [_told(*item) for item in findings.components.items()])
    _section("Models", [_known(model) for model in findings.models])
    ctx.exit(0 if findings.are_good else FAILED)


def _section(title: str, lines: Sequence[str]) -> None:
    if lines:
        click.secho(f"\n{title}", bold=True)
    for line in lines:
        click.echo(f"  {line}")


def _configured(settings: Settings, values: Values) -> list[str]:
    """Return what is set otherwise than by default, and by whom."""
    lines = [f"data directory: {settings.data_dir}"]
    for key, given in values.items():
        if not given.is_default and key != "data_dir":
            lines.append(f"{key}: {shown(key, given.value)} ({given.origin})")
    return lines


async def _look(product: Product, settings: Settings) -> Findings:
    from polyagent.usecases.health import CheckHealth

    try:
        async with product.opened(settings) as container:
            check = await container.get(CheckHealth)
            return Findings((await check()).components, await _models(container))
    except PolyAgentError as error:
        return Findings({"server": Component(status="down", detail=error.detail)})


async def _models(container: Container) -> Sequence[ModelInfo]:
    """Return the models; a service that is away is told among the components."""
    from polyagent.ports.models import Models

    models = await container.get(Models)  # type: ignore[type-abstract] # the container knows ports
    try:
        return await models.list()
    except Unavailable:
        return ()


def _ask(url: str) -> Findings:
    from polyagent.adapters.cli.server import Server

    with Server(url, token=str) as server:
        return Findings(server.health().components)


def _told(name: str, component: Component) -> str:
    status = click.style(f"{component.status:9}", fg=COLORS[component.status])
    return f"{status} {name:14} {', '.join(_facts(component))}".rstrip()


def _facts(component: Component) -> Iterator[str]:
    yield from (f"{name} {_plain(value)}" for name, value in component.facts.items())
    if component.latency_ms is not None:
        yield f"{component.latency_ms:.1f} ms"
    if component.detail:
        yield component.detail


def _plain(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _known(model: ModelInfo) -> str:
    facts = [f"{model.window_tokens} tokens", "tools" if model.tools else "no tools"]
    if model.images is not None:
        facts.append("images" if model.images else "no images")
    if model.demonstration:
        facts.append("a demonstration model: often wrong")
    return f"{model.name} at {model.service}: {', '.join(facts)}"
