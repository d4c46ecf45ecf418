"""Secrets at rest: AES-256-GCM under keys that are made of the installation's secrets."""

import secrets
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from polyagent.adapters.vault.secrets import SigningSecrets
from polyagent.domain.errors import SealBroken
from polyagent.settings import Auth

FORM = b"\x01"
KEY_ID_BYTES = 8
NONCE_BYTES = 12


class AesSeals:
    """What is sealed: its form, the key's id, a nonce, then the text with its tag.

    `auth.sealing_secret` seals, or else the secret that signs tokens; all that are here open, the
    previous ones too, so that a secret can be changed without losing what was sealed.
    https://csrc.nist.gov/pubs/sp/800/38/d/final
    """

    def __init__(self, given: Sequence[str], signing: SigningSecrets) -> None:
        self._given = [secret.encode("utf-8", "surrogatepass") for secret in given]
        self._signing = signing

    @classmethod
    def of(cls, settings: Auth) -> "AesSeals":
        given = (settings.sealing_secret, *settings.sealing_secret_previous)
        return cls([each for each in given if each is not None], SigningSecrets.of(settings))

    def seal(self, secret: bytes, about: bytes) -> bytes:
        key = _key(self._secrets()[0])
        head, nonce = FORM + _id(key), secrets.token_bytes(NONCE_BYTES)
        return head + nonce + AESGCM(key).encrypt(nonce, secret, head + about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        cut = len(FORM) + KEY_ID_BYTES
        head, nonce, text = (
            sealed[:cut],
            sealed[cut : cut + NONCE_BYTES],
            sealed[cut + NONCE_BYTES :],
        )
        for key in map(_key, self._secrets()):
            if head == FORM + _id(key):
                try:
                    return AESGCM(key).decrypt(nonce, text, head + about)
                except InvalidTag as error:
                    raise SealBroken("What is sealed was changed, or belongs elsewhere.") from error
        raise SealBroken("The secret that sealed this is no more among the server's.")

    def _secrets(self) -> Sequence[bytes]:
        return [*self._given, *self._signing.current().values()]


def _key(secret: bytes) -> bytes:
    """https://www.rfc-editor.org/rfc/rfc5869"""
    return HKDF(SHA256(), length=32, salt=None, info=b"polyagent sealing 1").derive(secret)


def _id(key: bytes) -> bytes:
    return sha256(b"id" + key).digest()[:KEY_ID_BYTES]
