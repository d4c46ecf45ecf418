"""Tokens of other issuers, whose keys are on a real socket."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from polyagent.adapters.memory.clock import START, ManualClock
from polyagent.adapters.vault.foreign import VERIFIED_S, JwksTokens
from polyagent.adapters.vault.jwks import FRESH_S, KEPT_S, PAUSE_S, jwks_client
from polyagent.domain.account import Role
from polyagent.domain.errors import TokenExpired, Unauthenticated, Unavailable
from polyagent.domain.identity import Stranger
from polyagent.settings import Issuer

ISSUER, AUDIENCE = "https://id.example", "polyagent"
NOW_S = int(START.timestamp())
PAYLOAD = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "ann-1",
    "exp": NOW_S + 600,
    "iat": NOW_S,
    "preferred_username": "ann",
    "email": "ann@id.example",
}
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()
SHARED = {
    "kty": "oct",
    "kid": "shared",
    "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldC1zZWNyZXQ",
    "alg": "HS256",
}

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
ALGORITHMS: dict[str, Any] = {
    "RS256": jwt.algorithms.RSAAlgorithm,
    "ES256": jwt.algorithms.ECAlgorithm,
    "EdDSA": jwt.algorithms.OKPAlgorithm,
}


def public(key: PrivateKey, algorithm: str, kid: str, **more: Any) -> dict[str, Any]:
    jwk: dict[str, Any] = ALGORITHMS[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {**jwk, "kid": kid, "use": "sig", **more}


def signed(
    payload: dict[str, Any] | None = None,
    *,
    key: PrivateKey = RSA_KEY,
    algorithm: str = "RS256",
    kid: str | None = "one",
    headers: dict[str, Any] | None = None,
) -> str:
    claims = {k: v for k, v in (PAYLOAD | (payload or {})).items() if v is not None}
    heads = {**({"kid": kid} if kid is not None else {}), **(headers or {})}
    return jwt.encode(claims, key, algorithm, heads)


class KeyServer:
    """Serves `keys`; `asked` counts. `status` is what it answers."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [public(RSA_KEY, "RS256", "one")]
        self.asked = 0
        self.status = 200
        self.body: bytes | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            yield f"http://127.0.0.1:{port}/jwks"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        head = (
            f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()


class Desk:
    """Where tokens are looked at."""

    def __init__(self, server: KeyServer, url: str, client: httpx.AsyncClient) -> None:
        self.server = server
        self.clock = ManualClock()
        self._url = url
        self._client = client
        self.tokens = self.trusting()

    def trusting(self, **settings: Any) -> JwksTokens:
        issuer = Issuer(issuer=ISSUER, audience=AUDIENCE, jwks_url=self._url, **settings)
        return JwksTokens([issuer], 60, self._client, self.clock)

    async def refuses(self, token: str) -> None:
        with pytest.raises(Unauthenticated) as refused:
            await self.tokens.verify(token)
        assert not isinstance(refused.value, TokenExpired)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    server = KeyServer()
    async with server.open() as url, jwks_client() as client:
        yield Desk(server, url, client)


async def test_a_token_says_whom_its_issuer_means(desk: Desk) -> None:
    stranger = await desk.tokens.verify(signed())

    assert stranger is not None
    assert (stranger.issuer, stranger.subject) == (ISSUER, "ann-1")
    assert (stranger.username, stranger.email, stranger.role) == ("ann", "ann@id.example", None)
    assert stranger.expires_at.timestamp() == NOW_S + 600


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256"), (ED_KEY, "EdDSA")]
)
async def test_keys_of_all_usual_kinds_are_good(
    desk: Desk, key: PrivateKey, algorithm: str
) -> None:
    desk.server.keys = [public(key, algorithm, "one")]

    assert await desk.tokens.verify(signed(key=key, algorithm=algorithm)) is not None


async def test_what_others_made_is_left_to_others(desk: Desk) -> None:
    for token in (signed({"iss": "polyagent"}), signed({"iss": None}), "x", "", "a.b.c"):
        assert await desk.tokens.verify(token) is None
    assert desk.server.asked == 0


@pytest.mark.parametrize(
    "spoiled",
    [
        {"aud": "another"},
        {"aud": ["another", "third"]},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"exp": None},
        {"iat": NOW_S + 3600},
        {"nbf": NOW_S + 3600},
        {"exp": "soon"},
    ],
)
async def test_claims_that_do_not_hold_are_refused(desk: Desk, spoiled: dict[str, Any]) -> None:
    await desk.refuses(signed(spoiled))


async def test_an_expired_token_says_so_and_so_does_one_that_expires(desk: Desk) -> None:
    token = signed()
    assert await desk.tokens.verify(token) is not None

    for spoiled in (signed({"exp": NOW_S - 61}), token):
        with pytest.raises(TokenExpired):
            await desk.tokens.verify(spoiled)
        desk.clock.move(661)


@pytest.mark.parametrize(
    "headers",
    [{"typ": "logout+jwt"}, {"kid": "../../etc/passwd"}, {"kid": "two"}],
)
async def test_headers_that_we_do_not_take_are_refused(desk: Desk, headers: dict[str, Any]) -> None:
    await desk.refuses(signed(headers=headers))


async def test_a_token_with_something_critical_is_nobodys(desk: Desk) -> None:
    assert await desk.tokens.verify(signed(headers={"crit": ["exp"]})) is None


async def test_the_signature_must_be_the_keys_own(desk: Desk) -> None:
    await desk.refuses(signed(key=OTHER_KEY))
    await desk.refuses(signed(key=EC_KEY, algorithm="ES256"))


async def test_a_public_key_is_no_shared_secret(desk: Desk) -> None:
    head, body, _ = signed().split(".")
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    claimed = jwt.encode(PAYLOAD, "x" * 32, "HS256", {"kid": "one"}).rpartition(".")[0]
    mac = base64.urlsafe_b64encode(hmac.digest(pem, claimed.encode(), "sha256")).rstrip(b"=")
    forged = f"{claimed}.{mac.decode()}"
    unsigned = jwt.encode(PAYLOAD, "", "none", {"kid": "one"})

    for token in (forged, unsigned, f"{head}.{body}."):
        await desk.refuses(token)


async def test_a_shared_secret_in_the_set_is_no_key(desk: Desk) -> None:
    desk.server.keys.append(SHARED)
    secret = jwt.PyJWK(SHARED).key

    await desk.refuses(jwt.encode(PAYLOAD, secret, "HS256", {"kid": "shared"}))


async def test_a_key_that_names_its_algorithm_takes_no_other(desk: Desk) -> None:
    desk.server.keys = [public(RSA_KEY, "RS256", "one", alg="RS256")]

    assert await desk.tokens.verify(signed()) is not None
    await desk.refuses(signed(algorithm="RS512"))


async def test_keys_are_fetched_once_and_again_for_a_new_one(desk: Desk) -> None:
    await asyncio.gather(*(desk.tokens.verify(signed({"jti": str(n)})) for n in range(20)))
    fetched = desk.server.asked
    desk.server.keys = [public(OTHER_KEY, "RS256", "two")]
    desk.clock.move(PAUSE_S)

    rotated = await desk.tokens.verify(signed(key=OTHER_KEY, kid="two"))

    assert fetched == 1
    assert rotated is not None
    assert desk.server.asked == 2
    desk.clock.move(VERIFIED_S)
    await desk.refuses(signed({"jti": "0"}))


async def test_unknown_keys_do_not_make_us_ask_all_the_time(desk: Desk) -> None:
    for n in range(50):
        await desk.refuses(signed(kid=f"unknown {n}"))

    assert desk.server.asked == 1


async def test_without_an_id_the_only_key_is_meant(desk: Desk) -> None:
    assert await desk.tokens.verify(signed(kid=None)) is not None
    desk.server.keys.append(public(OTHER_KEY, "RS256", "two"))
    desk.clock.move(FRESH_S + 1)
    await desk.tokens.verify(signed({"exp": NOW_S + 9000}))

    await desk.refuses(signed({"exp": NOW_S + 9000}, kid=None))


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, None), (302, None), (200, b"<html>"), (200, b"[]"), (200, b"x" * 300_000)],
)
async def test_an_issuer_that_is_away_is_believed_for_a_day(
    desk: Desk, status: int, body: bytes | None
) -> None:
    late = signed({"exp": NOW_S + 10 * KEPT_S})
    with_keys, without = desk.tokens, desk.trusting()
    await with_keys.verify(late)
    desk.server.status, desk.server.body = status, body
    desk.clock.move(FRESH_S + 1)

    assert await with_keys.verify(late) is not None
    with pytest.raises(Unavailable):
        await without.verify(late)
    desk.clock.move(KEPT_S)
    with pytest.raises(Unavailable):
        await with_keys.verify(late)
    desk.server.status, desk.server.body = 200, None
    desk.clock.move(PAUSE_S)
    assert await with_keys.verify(late) is not None


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": ["staff", "boss"]}, "admin"),
        ({"groups": "staff"}, "member"),
        ({"groups": ["others"]}, "viewer"),
        ({"groups": {"boss": True}}, "viewer"),
        ({"groups": [1, None, "staff"]}, "member"),
        ({}, "viewer"),
    ],
)
async def test_roles_are_what_the_operator_makes_of_the_claim(
    desk: Desk, claims: dict[str, Any], role: Role
) -> None:
    tokens = desk.trusting(role_claim="groups", roles={"boss": "admin", "staff": "member"})

    stranger = await tokens.verify(signed(claims))

    assert isinstance(stranger, Stranger)
    assert stranger.role == role


async def test_a_role_may_be_a_claim_within_a_claim_and_be_ours(desk: Desk) -> None:
    tokens = desk.trusting(role_claim="realm_access.roles")

    stranger = await tokens.verify(signed({"realm_access": {"roles": ["x", "member"]}}))

    assert stranger is not None
    assert stranger.role == "member"
