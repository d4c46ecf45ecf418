"""Telling whether somebody knows a password, without letting anybody guess it."""

from hashlib import sha256

from polyagent.domain.audit import CLIENT
from polyagent.domain.errors import BadCredentials, Limited
from polyagent.ports.clock import Clock
from polyagent.ports.failures import LoginFailures
from polyagent.ports.vault import Passwords

PATIENCE_S = 2.0


class PasswordCheck:
    def __init__(self, passwords: Passwords, failures: LoginFailures, clock: Clock) -> None:
        self._passwords = passwords
        self._failures = failures
        self._clock = clock

    async def __call__(self, who: str, password: str, hashed: str | None) -> None:
        """Raise `BadCredentials` unless the password fits; `hashed` None: there is nobody like `who`.

        After some failures for `who` in a row it takes longer, then raises `Limited`, for a minute
        at most, whether there is such a one or not. An address from which `who` logged in before
        has failures of its own, so that others who guess shut nobody out.
        """
        whence = _hash(f"{who}\n{CLIENT.get()}")
        is_trusted = await self._failures.trusts(whence)
        name = whence if is_trusted else _hash(who)
        wait_s = (await self._failures.of(name)).wait_s
        if wait_s > PATIENCE_S:
            raise Limited("Too many failed logins under this name.", retry_after_s=wait_s)
        await self._clock.sleep(wait_s)
        if not await self._passwords.verify(password, hashed):
            await self._failures.add(name)
            raise BadCredentials("The name or the password is wrong.")
        await self._failures.clear(name)
        await self._failures.trust(whence)


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
