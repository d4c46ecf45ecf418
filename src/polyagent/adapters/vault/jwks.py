"""The public keys of another issuer, kept and renewed. https://www.rfc-editor.org/rfc/rfc7517"""

import asyncio
import ssl
from collections.abc import Mapping

import httpx
import jwt
import msgspec
import structlog

from polyagent.domain.errors import Unavailable
from polyagent.ports.clock import Clock

FRESH_S = 600.0
KEPT_S = 86_400.0
PAUSE_S = 10.0
TIMEOUT_S = 5.0
MAX_BYTES = 262_144
MAX_KEYS = 100

log = structlog.get_logger("polyagent.vault")


class _Set(msgspec.Struct):
    keys: list[dict[str, object]]


class Jwks:
    """Asks for the keys again every ten minutes, and for a key that it lacks, but not all the time.

    An issuer that cannot be reached is believed for a day by the keys that it had.
    """

    def __init__(self, url: str, client: httpx.AsyncClient, clock: Clock) -> None:
        self._url = url
        self._client = client
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_s = float("-inf")
        self._tried_s = float("-inf")
        self._turn = asyncio.Lock()

    async def key(self, kid: str | None) -> jwt.PyJWK | None:
        """Return the key of that id; without one, the only key. Raises `Unavailable`."""
        if self._age_s > FRESH_S or self._find(kid) is None:
            await self._renew()
        if self._age_s > KEPT_S:
            raise Unavailable("The issuer of this token does not answer: its keys are not known.")
        return self._find(kid)

    @property
    def _age_s(self) -> float:
        return self._clock.monotonic() - self._fetched_s

    def _find(self, kid: str | None) -> jwt.PyJWK | None:
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    async def _renew(self) -> None:
        """Fetch, unless somebody has just tried; those who come meanwhile wait for it."""
        async with self._turn:
            if self._clock.monotonic() < self._tried_s + PAUSE_S:
                return
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    self._keys = _usable(await self._fetch())
                self._fetched_s = self._clock.monotonic()
            except (httpx.HTTPError, TimeoutError, msgspec.MsgspecError, ValueError) as error:
                log.warning("jwks.away", url=self._url, error=type(error).__name__)
            finally:
                self._tried_s = self._clock.monotonic()

    async def _fetch(self) -> _Set:
        body = bytearray()
        async with self._client.stream("GET", self._url) as response:
            if response.status_code != 200:
                raise ValueError(response.status_code)
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_BYTES:
                    raise ValueError(len(body))
        return msgspec.json.decode(body, type=_Set)


def _usable(found: _Set) -> dict[str, jwt.PyJWK]:
    """Return the public keys for signatures, by id. Shared secrets are no public keys."""
    keys: dict[str, jwt.PyJWK] = {}
    for each in found.keys[:MAX_KEYS]:
        if each.get("kty") == "oct" or each.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(each)
        except jwt.PyJWTError:
            continue  # of a kind that we do not know
        keys[key.key_id or ""] = key
    return keys


def jwks_client() -> httpx.AsyncClient:
    """Return a client for addresses of the operator's own configuration."""
    return httpx.AsyncClient(
        headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        timeout=httpx.Timeout(TIMEOUT_S),
        trust_env=False,
        verify=ssl.create_default_context(),
    )
