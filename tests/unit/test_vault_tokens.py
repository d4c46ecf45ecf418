"""Access tokens."""

import base64
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt
import pytest
from dishka import Provider, Scope, make_container
from hypothesis import given
from hypothesis import strategies as st

from polyagent.adapters.memory.clock import START, ManualClock
from polyagent.adapters.memory.provider import ManualClockProvider
from polyagent.adapters.vault.provider import VaultProvider
from polyagent.adapters.vault.secrets import SigningSecrets
from polyagent.adapters.vault.tokens import MAX_VERIFIED, JwtRing
from polyagent.app.ground import settled
from polyagent.domain.errors import Invalid, TokenExpired, Unauthenticated
from polyagent.domain.ids import new_id
from polyagent.ports.vault import TokenRing
from polyagent.settings import Auth, Database, Redis, Settings, SettingsError

SECRET = "a secret of more than thirty-two bytes"
LIFETIME_S, LEEWAY_S = 600, 60
NOW_S = int(START.timestamp())
USER = new_id()


def a_ring(clock: ManualClock, secret: str = SECRET) -> JwtRing:
    return JwtRing(SigningSecrets([secret], None), LIFETIME_S, LEEWAY_S, clock)


RING = a_ring(ManualClock())
KID = jwt.get_unverified_header(RING.issue(USER, 1)[0])["kid"]
PAYLOAD = {
    "iss": "polyagent",
    "aud": "polyagent",
    "sub": str(USER),
    "jti": "one",
    "iat": NOW_S,
    "exp": NOW_S + LIFETIME_S,
    "sv": 1,
}
HEADERS = {"typ": "at+jwt", "kid": KID}


def forged(
    payload: dict[str, Any] | None = None,
    headers: dict[str, Any] | None = None,
    *,
    secret: str = SECRET,
    algorithm: str = "HS256",
) -> str:
    """Return a token that is right but for what is given; None takes a claim or a header away."""
    claims = {k: v for k, v in (PAYLOAD | (payload or {})).items() if v is not None}
    heads = {k: v for k, v in (HEADERS | (headers or {})).items() if v is not None}
    return jwt.encode(claims, secret, algorithm, heads)


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(Unauthenticated) as error:
        yield
    assert type(error.value) is Unauthenticated


def test_a_token_says_whose_it_is() -> None:
    clock = ManualClock()
    ring = a_ring(clock)

    token, lifetime_s = ring.issue(USER, 7)

    claims = ring.verify(token)
    assert lifetime_s == LIFETIME_S
    assert (claims.user_id, claims.session_version) == (USER, 7)
    assert claims.expires_at == START + timedelta(seconds=LIFETIME_S)
    assert ring.verify(token) == claims


def test_a_token_can_be_made_to_live_shorter() -> None:
    token, lifetime_s = RING.issue(USER, 1, lifetime_s=30)

    assert lifetime_s == 30
    assert RING.verify(token).expires_at == START + timedelta(seconds=30)


def test_a_token_made_by_hand_is_as_good() -> None:
    assert RING.verify(forged()).user_id == USER


@pytest.mark.parametrize("seen_before", [True, False])
def test_a_token_expires_after_its_lifetime_and_the_leeway(seen_before: bool) -> None:
    clock = ManualClock()
    ring = a_ring(clock)
    token, _ = ring.issue(USER, 1)
    if seen_before:
        ring.verify(token)

    clock.move(LIFETIME_S + LEEWAY_S - 1)
    ring.verify(token)
    clock.move(1)

    for _ in range(2):
        with pytest.raises(TokenExpired):
            ring.verify(token)


def test_a_clock_that_is_set_back_within_the_leeway_refuses_nobody() -> None:
    clock = ManualClock()
    ring = a_ring(clock)
    token, _ = ring.issue(USER, 1)

    clock.set(START - timedelta(seconds=LEEWAY_S))

    assert ring.verify(token).user_id == USER


def test_a_token_of_the_future_is_refused() -> None:
    with refused():
        RING.verify(forged({"iat": NOW_S + LEEWAY_S + 1}))


@pytest.mark.parametrize("claim", sorted(PAYLOAD))
def test_no_claim_may_be_missing(claim: str) -> None:
    with refused():
        RING.verify(forged({claim: None}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "other"),
        ("aud", "other"),
        ("aud", ["other", "polyagent"]),
        ("sub", "admin"),
        ("sub", 7),
        ("jti", ""),
        ("sv", "1"),
        ("sv", True),
        ("sv", 1.5),
        ("exp", str(NOW_S + 60)),
        ("exp", 10**30),
        ("exp", 10**15),
        ("exp", True),
        ("iat", -1),
    ],
)
def test_a_claim_with_another_value_is_refused(claim: str, value: Any) -> None:
    with refused():
        RING.verify(forged({claim: value}))


@pytest.mark.parametrize(
    "headers",
    [
        {"typ": None},
        {"typ": "JWT"},
        {"kid": None},
        {"kid": "other"},
        {"kid": ""},
        {"crit": ["exp"]},
        {"crit": []},
    ],
)
def test_a_header_that_we_would_not_write_is_refused(headers: dict[str, Any]) -> None:
    with refused():
        RING.verify(forged(headers=headers))


def segment(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def test_no_extension_is_critical_for_us_though_the_library_knows_it() -> None:
    header = HEADERS | {"alg": "HS256", "b64": True, "crit": ["b64"]}
    signed = ".".join(segment(json.dumps(part).encode()) for part in (header, PAYLOAD))
    signature = hmac.digest(SECRET.encode(), signed.encode(), "sha256")

    with refused():
        RING.verify(f"{signed}.{segment(signature)}")


def test_another_secret_is_refused() -> None:
    with refused():
        RING.verify(forged(secret="another secret of thirty-two bytes or more"))


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["HS384", "HS512", "none"])
def test_another_algorithm_is_refused(algorithm: str) -> None:
    secret = "" if algorithm == "none" else SECRET
    with refused():
        RING.verify(forged(secret=secret, algorithm=algorithm))


def test_a_changed_payload_is_refused() -> None:
    head, _, signature = forged().split(".")
    payload = segment(json.dumps(PAYLOAD | {"sub": str(UUID(int=1))}).encode())

    with refused():
        RING.verify(".".join([head, payload, signature]))


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "Bearer x",
        "\ud800.\ud800.\ud800",
        "é.é.é",
        "x" * 10_000,
        f"{segment(b'[' * 2000)}.e30.e30",
        f"{segment(b'[]')}.e30.e30",
        f"{segment(bytes([0xFF, 0xFE]))}.e30.e30",
        f"{segment(b'null')}..",
        f'{segment(b"""{"kid": [], "typ": "at+jwt", "alg": "HS256"}""")}.e30.e30',
        f'{segment(b"""{"kid": "x", "typ": {}, "alg": {}}""")}.e30.e30',
    ],
    ids=range(14),
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with refused():
        RING.verify(token)


@given(st.text())
def test_no_text_is_a_token(text: str) -> None:
    with refused():
        RING.verify(text)


def test_only_so_many_tokens_are_remembered() -> None:
    ring = a_ring(ManualClock())
    first, _ = ring.issue(USER, 1)

    ring.verify(first)
    for _ in range(MAX_VERIFIED):
        ring.verify(ring.issue(USER, 1)[0])

    assert len(ring._verified) == MAX_VERIFIED
    assert ring.verify(first).user_id == USER


@pytest.mark.parametrize("secret", ["", "short", "your-secret-key", "x" * 31])
def test_a_weak_secret_is_refused_and_says_what_to_do(secret: str) -> None:
    with pytest.raises(Invalid, match=r"JWT_SECRET.*openssl rand") as error:
        a_ring(ManualClock(), secret)

    assert not secret or secret not in error.value.detail.replace("too short", "")


def test_a_secret_counts_in_bytes() -> None:
    ring = a_ring(ManualClock(), "é" * 16)

    assert ring.verify(ring.issue(USER, 1)[0]).user_id == USER


def rewritten(file: Path, *secrets: str) -> None:
    """Put another file in its place, as editors and Kubernetes do."""
    fresh = file.with_suffix(".new")
    fresh.write_text("\n".join(secrets) + "\n")
    fresh.replace(file)


def test_keys_are_rotated_while_rings_are_in_use(tmp_path: Path) -> None:
    file, old, new = tmp_path / "secrets", "o" * 32, "n" * 32
    rewritten(file, old)
    here, there = (
        JwtRing(SigningSecrets([], file), LIFETIME_S, LEEWAY_S, ManualClock()) for _ in range(2)
    )
    before, _ = here.issue(USER, 1)
    there.verify(before)

    rewritten(file, new, old)
    after, _ = here.issue(USER, 1)

    assert jwt.get_unverified_header(after)["kid"] != jwt.get_unverified_header(before)["kid"]
    assert there.verify(after).user_id == there.verify(before).user_id == USER
    rewritten(file, new)
    assert there.verify(after).user_id == USER
    with refused():
        there.verify(before)


@pytest.mark.parametrize("content", ["", "short", None])
def test_a_file_that_goes_wrong_changes_nothing(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "secrets"
    rewritten(file, SECRET)
    ring = JwtRing(SigningSecrets([], file), LIFETIME_S, LEEWAY_S, ManualClock())
    token, _ = ring.issue(USER, 1)

    if content is None:
        file.unlink()
    else:
        rewritten(file, content)

    assert ring.verify(token).user_id == USER


@pytest.mark.parametrize("content", [None, "", "short"])
def test_a_process_does_not_start_with_a_file_that_is_wrong(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "secrets"
    if content is not None:
        file.write_text(content)
    settings = Settings(
        database=Database(url="postgresql://127.0.0.1/x"),
        redis=Redis(url="redis://127.0.0.1/0"),
        auth=Auth(jwt_secret_file=str(file)),
    )

    with pytest.raises(SettingsError):
        settled(settings)


def test_previous_secrets_are_good_and_sign_no_more() -> None:
    before, _ = a_ring(ManualClock(), "o" * 32).issue(USER, 1)
    ring = JwtRing(SigningSecrets([SECRET, "o" * 32], None), LIFETIME_S, LEEWAY_S, ManualClock())

    assert ring.verify(before).user_id == USER
    assert a_ring(ManualClock()).verify(ring.issue(USER, 1)[0]).user_id == USER


def test_the_ring_is_made_from_the_settings() -> None:
    def provided(auth: Auth) -> TokenRing:
        settings = Provider(scope=Scope.APP)
        settings.provide(lambda: auth, provides=Auth)
        container = make_container(settings, ManualClockProvider(), VaultProvider())
        ring: TokenRing = container.get(TokenRing)
        return ring

    assert provided(Auth(jwt_secret=SECRET, access_token_s=60)).issue(USER, 1)[1] == 60
    with pytest.raises(Invalid, match="JWT_SECRET is not set"):
        provided(Auth())
