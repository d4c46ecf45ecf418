"""Passwords and tokens of this installation."""

from dishka import Provider, Scope, provide

from polyagent.adapters.vault.passwords import Argon2Passwords
from polyagent.adapters.vault.tokens import JwtRing
from polyagent.domain.errors import Invalid
from polyagent.ports.clock import Clock
from polyagent.ports.vault import Passwords, TokenRing
from polyagent.settings import Auth


class VaultProvider(Provider):
    scope = Scope.APP

    @provide
    def passwords(self) -> Passwords:
        return Argon2Passwords()

    @provide
    def tokens(self, settings: Auth, clock: Clock) -> TokenRing:
        if settings.jwt_secret is None:
            raise Invalid("JWT_SECRET is not set. Make one with: openssl rand -base64 48")
        return JwtRing(settings.jwt_secret, settings.access_token_s, settings.leeway_s, clock)
