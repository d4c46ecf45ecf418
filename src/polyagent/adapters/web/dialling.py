"""Connections to hosts that somebody supplied: each address is judged as it is dialled."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType

from polyagent.adapters.web.urls import PRIVATE
from polyagent.domain.errors import AddressRefused, FetchFailed
from polyagent.domain.network import Allowance

LOOKUPS_AT_ONCE = 8

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Returns the addresses of a name; raises `OSError`, `UnicodeError`."""


class SystemLookup:
    """The system's resolver in threads of its own, since a slow name server would take all others."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUPS_AT_ONCE, "lookup")

    async def __call__(self, name: str) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._addresses, name)
        return [*dict.fromkeys(found)]

    @staticmethod
    def _addresses(name: str) -> list[str]:
        return [str(info[4][0]) for info in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


class Judge(AbstractResolver):
    """Resolves one host for one connection, and lets none be made to what its user may not reach.

    A name is refused if any of its addresses is: which of them is dialled would be chance. What was
    judged is dialled, without another lookup, so that a name cannot lead elsewhere meanwhile.
    """

    def __init__(self, host: str, allowance: Allowance, lookup: Lookup) -> None:
        self._is_trusted = allowance.admits_name(host)
        self._allowance = allowance
        self._lookup = lookup

    def connector(self, trust: ssl.SSLContext) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(
            resolver=self,
            socket_factory=self._socket,
            use_dns_cache=False,
            force_close=True,
            ssl=trust,
        )

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises `AddressRefused`, `FetchFailed` for a name that nobody knows."""
        try:
            found = await self._lookup(host)
        except (OSError, UnicodeError) as error:
            raise FetchFailed(f"There is no host {host}.") from error
        for address in found:
            self._require(address)
        return [_told(host, address, port) for address in found]

    async def close(self) -> None: ...

    def _socket(self, dialled: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, place = dialled
        self._require(str(place[0]))
        return socket.socket(family, kind, protocol)

    def _require(self, address: str) -> None:
        if not self._is_trusted and not self._allowance.admits(ip_address(address)):
            raise AddressRefused(PRIVATE)


def _told(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )
