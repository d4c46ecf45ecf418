"""Tokens of other issuers: OIDC providers, an application's own backend."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, get_args

import httpx
import jwt
import msgspec

from polyagent.adapters.vault.jwks import Jwks
from polyagent.domain.account import Role
from polyagent.domain.errors import TokenExpired, Unauthenticated
from polyagent.domain.identity import Stranger
from polyagent.ports.clock import Clock
from polyagent.settings import Issuer

MAX_TOKEN_CHARACTERS = 8192
MAX_VERIFIED = 10_000
VERIFIED_S = 60.0
RANKS: Sequence[Role] = get_args(Role)
RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})

Instant = Annotated[float, msgspec.Meta(ge=0, le=253_402_300_799)]


class _Payload(msgspec.Struct, frozen=True, kw_only=True):
    iss: str
    sub: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    aud: str | list[str]
    exp: Instant
    iat: Instant = 0
    nbf: Instant = 0
    preferred_username: str | None = None
    email: str | None = None


class JwksTokens:
    def __init__(
        self, issuers: Sequence[Issuer], leeway_s: int, client: httpx.AsyncClient, clock: Clock
    ) -> None:
        self._issuers = {
            each.issuer: (each, Jwks(each.jwks_url, client, clock)) for each in issuers
        }
        self._leeway_s = leeway_s
        self._clock = clock
        self._verified: dict[str, tuple[float, Stranger]] = {}

    async def verify(self, token: str) -> Stranger | None:
        if not self._issuers:
            return None
        until_s, stranger = self._verified.get(token, (0.0, None))
        if stranger is None or self._clock.monotonic() >= until_s:
            found = self._named(token)
            if found is None:
                return None
            stranger = await self._proven(token, *found)
            self._remember(token, stranger)
        if self._now_s() >= stranger.expires_at.timestamp() + self._leeway_s:
            raise TokenExpired("The access token has expired: get another from its issuer.")
        return stranger

    def _remember(self, token: str, stranger: Stranger) -> None:
        if len(self._verified) >= MAX_VERIFIED:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = (self._clock.monotonic() + VERIFIED_S, stranger)

    def _named(self, token: str) -> tuple[Issuer, Jwks] | None:
        """Return the issuer that a token says made it, if it is one of ours to trust."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            return None
        try:
            payload = jwt.decode(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError):
            return None
        name = payload.get("iss")
        return self._issuers.get(name) if isinstance(name, str) else None

    async def _proven(self, token: str, issuer: Issuer, jwks: Jwks) -> Stranger:
        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            key = await jwks.key(kid if isinstance(kid, str) else None)
            if key is None or "crit" in header or _type(header) not in TYPES:
                raise _refused()
            algorithms = _algorithms(key)
            body = jwt.PyJWS(algorithms=algorithms).decode(token, key, algorithms=algorithms)
            return self._stranger(body, issuer)
        except (jwt.PyJWTError, msgspec.MsgspecError, ValueError, TypeError) as error:
            raise _refused() from error

    def _stranger(self, body: bytes, issuer: Issuer) -> Stranger:
        payload = self._current(msgspec.json.decode(body, type=_Payload), issuer)
        return Stranger(
            issuer=issuer.issuer,
            subject=payload.sub,
            username=payload.preferred_username,
            email=payload.email,
            role=_role(msgspec.json.decode(body), issuer),
            expires_at=datetime.fromtimestamp(payload.exp, UTC),
        )

    def _current(self, payload: _Payload, issuer: Issuer) -> _Payload:
        audiences = [payload.aud] if isinstance(payload.aud, str) else payload.aud
        begins_s = max(payload.iat, payload.nbf) - self._leeway_s
        if issuer.audience not in audiences or begins_s > self._now_s():
            raise _refused()
        return payload

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


def _type(header: Mapping[str, Any]) -> str:
    return str(header.get("typ", "JWT")).lower()


def _algorithms(key: jwt.PyJWK) -> list[str]:
    """Return what a key may sign with: what it says, else what fits its type; never a shared secret's."""
    if key.key_type == "RSA" and "alg" not in key._jwk_data:  # noqa: SLF001  # it has no public name
        return [*RSA]
    return [key.algorithm_name]


def _role(claims: Mapping[str, Any], issuer: Issuer) -> Role | None:
    """Return the highest role that the claim names; `viewer` if it names none of them.

    `realm_access.roles` leads to a claim within a claim.
    """
    if issuer.role_claim is None:
        return None
    value: Any = claims.get(issuer.role_claim)
    if value is None:
        value = claims
        for step in issuer.role_claim.split("."):
            value = value.get(step) if isinstance(value, dict) else None
    named = value if isinstance(value, list) else [value]
    known = issuer.roles or {role: role for role in RANKS}
    found = {known[name] for name in named if isinstance(name, str) and name in known}
    return max(found, key=RANKS.index, default="viewer")


def _refused() -> Unauthenticated:
    return Unauthenticated("The access token of this issuer is not valid.")
