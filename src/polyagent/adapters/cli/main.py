"""The group of all commands."""

import rich_click as click

from polyagent import __version__
from polyagent.adapters.cli.commands.admin import admin
from polyagent.adapters.cli.commands.chat import chat
from polyagent.adapters.cli.commands.completion import completion
from polyagent.adapters.cli.commands.config import config
from polyagent.adapters.cli.commands.doctor import doctor
from polyagent.adapters.cli.commands.documents import documents
from polyagent.adapters.cli.commands.running import down, prepare, reset, serve, up, worker
from polyagent.adapters.cli.commands.schedules import schedules
from polyagent.adapters.cli.commands.schema import migrate
from polyagent.adapters.cli.commands.selftest import selftest
from polyagent.adapters.cli.commands.tasks import tasks
from polyagent.adapters.cli.commands.tools import tools
from polyagent.adapters.cli.exits import Commands


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="polyagent %(version)s")
@click.command_panel("Run it", commands=["up", "down", "serve", "worker"])
@click.command_panel("Talk to it", commands=["chat", "documents", "tasks", "schedules"])
@click.command_panel(
    "Look after it", commands=["doctor", "tools", "selftest", "admin", "config", "migrate", "reset"]
)
@click.command_panel("About", commands=["version", "completion"])
def cli() -> None:
    """A server for multi-agent applications whose runs survive kill -9.

    `polyagent up` starts everything on this machine; `polyagent chat` talks to it.
    """


@cli.command()
def version() -> None:
    """Say which version this is."""
    click.echo(f"polyagent {__version__}")


for command in (
    *(up, down, serve, worker, prepare, reset),
    *(
        chat,
        documents,
        tasks,
        schedules,
        doctor,
        tools,
        selftest,
        admin,
        config,
        migrate,
        completion,
    ),
):
    cli.add_command(command)
