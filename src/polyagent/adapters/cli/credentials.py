"""Access tokens for whoever may read the data directory, made without a password."""

from polyagent.adapters.cli.product import Product
from polyagent.settings import Settings

ADMIN = "admin"


async def token(
    product: Product, settings: Settings, *, username: str, lifetime_s: int | None = None
) -> str:
    """Raises `NotFound` for a user that is none."""
    from polyagent.domain.account import Actor
    from polyagent.usecases.accounts import ManageAccounts

    async with product.opened(settings) as container:
        accounts = await container.get(ManageAccounts)
        return await accounts.token_for(Actor.system(), username, lifetime_s=lifetime_s)
