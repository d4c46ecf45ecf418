"""Answers that are kept, so that a request repeated under its idempotency key is not done again."""

import msgspec

LIFETIME_S = 24 * 3600.0
HELD_S = 10.0
"""How long a key is held for who works under it; it says again and again that it does."""

SECRETS = frozenset({"secret", "access_token", "refresh_token"})
"""Fields that are told once: a kept answer lacks them."""


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A 2xx answer; `body` is JSON, or nothing."""

    status: int
    headers: dict[str, str]
    body: str

    def without_secrets(self) -> "KeptAnswer":
        body = msgspec.json.decode(self.body or "null")
        if not isinstance(body, dict) or not SECRETS & body.keys():
            return self
        told = {name: value for name, value in body.items() if name not in SECRETS}
        return msgspec.structs.replace(self, body=msgspec.json.encode(told).decode())
