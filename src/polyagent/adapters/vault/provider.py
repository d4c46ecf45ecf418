"""Passwords and tokens of this installation."""

from collections.abc import AsyncIterator

from dishka import Provider, Scope, provide

from polyagent.adapters.vault.foreign import JwksTokens
from polyagent.adapters.vault.jwks import jwks_client
from polyagent.adapters.vault.passwords import Argon2Passwords
from polyagent.adapters.vault.seals import AesSeals
from polyagent.adapters.vault.secrets import SigningSecrets
from polyagent.adapters.vault.tokens import JwtRing
from polyagent.ports.clock import Clock
from polyagent.ports.vault import ForeignTokens, Passwords, Seals, TokenRing
from polyagent.settings import Auth


class VaultProvider(Provider):
    scope = Scope.APP

    @provide
    def passwords(self) -> Passwords:
        return Argon2Passwords()

    @provide
    def tokens(self, settings: Auth, clock: Clock) -> TokenRing:
        return JwtRing(
            SigningSecrets.of(settings), settings.access_token_s, settings.leeway_s, clock
        )

    @provide
    def seals(self, settings: Auth) -> Seals:
        return AesSeals.of(settings)

    @provide
    async def foreign_tokens(self, settings: Auth, clock: Clock) -> AsyncIterator[ForeignTokens]:
        async with jwks_client() as client:
            yield JwksTokens(settings.issuers, settings.leeway_s, client, clock)
