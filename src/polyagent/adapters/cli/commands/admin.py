"""Commands for users, by whoever may read the data directory or the database."""

import secrets
import sys
from typing import Any

import msgspec
import rich_click as click

from polyagent.adapters.cli import credentials
from polyagent.adapters.cli.options import Place, located
from polyagent.adapters.cli.product import LoadProduct, Product
from polyagent.adapters.cli.waiting import wait
from polyagent.domain.account import Actor, NewUser, Password, User
from polyagent.domain.errors import Invalid
from polyagent.settings import Settings


@click.group()
def admin() -> None:
    """Make tokens and users."""


@admin.command()
@click.option(
    "--user", "username", default=credentials.ADMIN, show_default=True, help="Whose token."
)
@click.option(
    "--valid-for",
    "lifetime_s",
    type=click.IntRange(1, 86_400),
    metavar="SECONDS",
    help="How long it is good; auth.access_token_s unless set.",
)
@located
@click.pass_obj
def token(load: LoadProduct, place: Place, username: str, lifetime_s: int | None) -> None:
    """Print an access token, and nothing else."""
    made = credentials.token(load(), place.settings(), username=username, lifetime_s=lifetime_s)
    click.echo(wait(made))


@admin.command()
@click.argument("username")
@click.option("--email", required=True, help="For logging in; no mail is sent.")
@click.option(
    "--role",
    type=click.Choice(["viewer", "member", "admin"]),
    default="member",
    show_default=True,
    help="What the user may do.",
)
@click.option("--generate", is_flag=True, help="Make a password and print it.")
@located
@click.pass_obj
def create_user(
    load: LoadProduct, place: Place, username: str, email: str, role: str, generate: bool
) -> None:
    """Add a user. The password is asked for, or read from a pipe."""
    password = _password(generate=generate)
    new = {"username": username, "email": email, "role": role, "password": password}
    user = wait(_create(load(), place.settings(), _checked(new, NewUser)))
    click.echo(f"Added {user.username} ({user.role}).")
    _show(password, generated=generate)


@admin.command()
@click.argument("username", default=credentials.ADMIN)
@click.option("--generate", is_flag=True, help="Make a password and print it.")
@located
@click.pass_obj
def reset_password(load: LoadProduct, place: Place, username: str, generate: bool) -> None:
    """Give a user (admin, if you name none) a new password and end its sessions."""
    password = _checked(_password(generate=generate), Password)
    user = wait(_reset_password(load(), place.settings(), username, password))
    click.echo(f"Changed the password of {user.username}.")
    _show(password, generated=generate)


async def _create(product: Product, settings: Settings, new: NewUser) -> User:
    from polyagent.usecases.accounts import ManageAccounts

    async with product.opened(settings) as container:
        accounts = await container.get(ManageAccounts)
        return await accounts.create(Actor.system(), new)


async def _reset_password(
    product: Product, settings: Settings, username: str, password: str
) -> User:
    from polyagent.usecases.accounts import ManageAccounts

    async with product.opened(settings) as container:
        accounts = await container.get(ManageAccounts)
        return await accounts.reset_password(Actor.system(), username, password)


def _password(*, generate: bool) -> str:
    if generate:
        return secrets.token_urlsafe(12)
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    return answer


def _checked(value: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"That is not allowed: {error}.") from error


def _show(password: str, *, generated: bool) -> None:
    if generated:
        click.echo(f"Password: {password}")
