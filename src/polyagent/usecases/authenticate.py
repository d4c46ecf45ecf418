"""Who is asking: what credentials say, and whether that still holds."""

from datetime import UTC, datetime

from polyagent.domain.account import Actor, Claims
from polyagent.domain.api_key import PREFIX, Secret, unknown_key
from polyagent.ports.vault import ForeignTokens, TokenRing
from polyagent.usecases.trust import Trust
from polyagent.usecases.welcome import WelcomeStranger

NEVER = datetime(9999, 12, 31, tzinfo=UTC)


class Authenticate:
    def __init__(
        self, trust: Trust, tokens: TokenRing, foreign: ForeignTokens, welcome: WelcomeStranger
    ) -> None:
        self._trust = trust
        self._tokens = tokens
        self._foreign = foreign
        self._welcome = welcome

    async def claims(self, token: str) -> Claims:
        """Return what a token or an API key says. Raises `Unauthenticated`, `StoreUnavailable`."""
        if token.startswith(PREFIX):
            return await self._of_key(Secret.read(token))
        stranger = await self._foreign.verify(token)
        if stranger is not None:
            return await self._welcome(stranger)
        return self._tokens.verify(token)

    async def _of_key(self, secret: Secret) -> Claims:
        key = await self._trust.key(secret.key_id)
        if not secret.opens(key):
            raise unknown_key()
        expires_at = key.expires_at or NEVER
        return Claims(user_id=key.user_id, key_id=secret.key_id, expires_at=expires_at)

    async def __call__(self, claims: Claims) -> Actor:
        """Return whom the claims of a token stand for now. Raises `Unauthenticated`."""
        return await self._trust.actor(claims)
