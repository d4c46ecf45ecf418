"""Secrets at rest: who opens them, and what happens when the server's own secrets change."""

import pytest

from polyagent.adapters.vault.seals import AesSeals
from polyagent.domain.errors import SealBroken
from polyagent.settings import Auth

SIGNS = "a-secret-that-signs-tokens-of-these-tests"
SEALS = "a-secret-that-seals-what-these-tests-keep"
TEXT, ABOUT = b"whsec", b"webhook 1"


def seals(signs: str = SIGNS, **auth: object) -> AesSeals:
    return AesSeals.of(Auth(jwt_secret=signs, **auth))  # type: ignore[arg-type]  # tests vary them


def test_what_is_sealed_opens() -> None:
    sealed = seals().seal(TEXT, ABOUT)

    assert TEXT not in sealed
    assert seals().open(sealed, ABOUT) == TEXT


def test_no_two_seals_are_alike() -> None:
    assert seals().seal(TEXT, ABOUT) != seals().seal(TEXT, ABOUT)


def test_it_opens_for_nothing_else() -> None:
    sealed = seals().seal(TEXT, ABOUT)

    with pytest.raises(SealBroken, match="belongs elsewhere"):
        seals().open(sealed, b"webhook 2")


@pytest.mark.parametrize("place", [0, 1, 8, 9, 20, 21, -1])
def test_a_byte_that_was_changed_is_noticed(place: int) -> None:
    sealed = bytearray(seals().seal(TEXT, ABOUT))
    sealed[place] ^= 1

    with pytest.raises(SealBroken):
        seals().open(bytes(sealed), ABOUT)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" * 21])
def test_what_was_never_sealed_does_not_open(sealed: bytes) -> None:
    with pytest.raises(SealBroken):
        seals().open(sealed, ABOUT)


def test_another_secret_opens_nothing() -> None:
    sealed = seals().seal(TEXT, ABOUT)

    with pytest.raises(SealBroken, match="no more among"):
        seals("another-secret-that-signs-tokens-of-tests").open(sealed, ABOUT)


def test_secrets_can_change_without_losing_what_is_sealed() -> None:
    by_signing = seals().seal(TEXT, ABOUT)
    by_sealing = seals(sealing_secret=SEALS).seal(TEXT, ABOUT)
    new = "another-secret-that-signs-tokens-of-tests"

    assert seals(sealing_secret=SEALS).open(by_signing, ABOUT) == TEXT
    assert seals(new, jwt_secret_previous=(SIGNS,)).open(by_signing, ABOUT) == TEXT
    assert seals(new, sealing_secret_previous=(SIGNS,)).open(by_signing, ABOUT) == TEXT
    assert seals(new, sealing_secret=SEALS).open(by_sealing, ABOUT) == TEXT
    with pytest.raises(SealBroken):
        seals().open(by_sealing, ABOUT)
