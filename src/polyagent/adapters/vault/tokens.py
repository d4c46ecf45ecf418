"""Access tokens: JWTs signed with a secret that only this installation has."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

import jwt
import msgspec

from polyagent.adapters.vault.secrets import SigningSecrets
from polyagent.domain.account import Claims
from polyagent.domain.errors import TokenExpired, Unauthenticated
from polyagent.domain.ids import new_id
from polyagent.ports.clock import Clock

ISSUER: Literal["polyagent"] = "polyagent"
ALGORITHM = "HS256"
TYPE = "at+jwt"
MAX_TOKEN_CHARACTERS = 4096
MAX_VERIFIED = 10_000

_JWS = jwt.PyJWS(algorithms=[ALGORITHM])


Instant = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
"""Seconds since 1970, at most the end of the year 9999."""


class _Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`sv` is the session version, a claim of our own; `sid` the login that the token comes from."""

    iss: Literal["polyagent"]
    aud: Literal["polyagent"]
    sub: UUID
    jti: Annotated[str, msgspec.Meta(min_length=1)]
    iat: Instant
    exp: Instant
    sv: int
    sid: UUID | None = None


class JwtRing:
    """Tokens name their key by `kid`, so that there can be more than the one that signs."""

    def __init__(
        self, secrets: SigningSecrets, lifetime_s: int, leeway_s: int, clock: Clock
    ) -> None:
        self._secrets = secrets
        self._keys = secrets.keys
        self._lifetime_s = lifetime_s
        self._leeway_s = leeway_s
        self._clock = clock
        self._verified: dict[str, Claims] = {}

    def issue(
        self,
        user_id: UUID,
        session_version: int = 0,
        *,
        family_id: UUID | None = None,
        lifetime_s: int | None = None,
    ) -> tuple[str, int]:
        lifetime_s = self._lifetime_s if lifetime_s is None else lifetime_s
        now = int(self._now_s())
        payload = _Payload(
            iss=ISSUER,
            aud=ISSUER,
            sub=user_id,
            jti=str(new_id()),
            iat=now,
            exp=now + lifetime_s,
            sv=session_version,
            sid=family_id,
        )
        self._renew()
        kid, key = next(iter(self._keys.items()))
        headers = {"typ": TYPE, "kid": kid}
        return _JWS.encode(msgspec.json.encode(payload), key, ALGORITHM, headers), lifetime_s

    def _renew(self) -> None:
        """Take the secrets as they are now, forgetting what was verified by others."""
        keys = self._secrets.current()
        if keys is not self._keys:
            self._keys = keys
            self._verified.clear()

    def verify(self, token: str) -> Claims:
        self._renew()
        claims = self._verified.get(token)
        if claims is None:
            claims = self._remembered(token, self._current(self._signed(token)))
        elif self._is_over(claims.expires_at.timestamp()):
            del self._verified[token]
            raise _expired()
        return claims

    def _signed(self, token: str) -> _Payload:
        """Return what a token says that one of our keys signed."""
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise _refused()
        try:
            header = _JWS.get_unverified_header(token)
            if header.get("typ") != TYPE or "crit" in header:
                raise _refused()
            body = _JWS.decode(token, self._keys[header["kid"]], algorithms=[ALGORITHM])
            return msgspec.json.decode(body, type=_Payload)
        except (jwt.PyJWTError, msgspec.MsgspecError, KeyError, ValueError) as error:
            raise _refused() from error

    def _current(self, payload: _Payload) -> _Payload:
        if payload.iat > self._now_s() + self._leeway_s:
            raise _refused()
        if self._is_over(payload.exp):
            raise _expired()
        return payload

    def _remembered(self, token: str, payload: _Payload) -> Claims:
        claims = Claims(
            user_id=payload.sub,
            session_version=payload.sv,
            family_id=payload.sid,
            expires_at=datetime.fromtimestamp(payload.exp, UTC),
        )
        if len(self._verified) >= MAX_VERIFIED:
            del self._verified[next(iter(self._verified))]
        self._verified[token] = claims
        return claims

    def _is_over(self, expires_at_s: float) -> bool:
        return self._now_s() >= expires_at_s + self._leeway_s

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


def _refused() -> Unauthenticated:
    return Unauthenticated("The access token is not valid: log in again.")


def _expired() -> TokenExpired:
    return TokenExpired("The access token has expired: log in again.")
