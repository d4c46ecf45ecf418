"""How often an address, a user, a key and an end user may ask.

https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-10
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any
from uuid import UUID

import msgspec
from dishka import AsyncContainer
from litestar.types import HTTPScope
from litestar.utils.path import normalize_path

from polyagent.domain.account import Actor
from polyagent.domain.errors import Limited, TooManyOpen
from polyagent.domain.limit import Bucket, Standing
from polyagent.ports.limits import Places, Rates
from polyagent.ports.telemetry import Exposition
from polyagent.settings import Limits

LOGIN = "/api/v1/users/login"
NETWORK_BITS = 64
PARTS_FOR_STRANGERS = 4
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

State = MutableMapping[str, Any]


class _Ports(msgspec.Struct, frozen=True):
    rates: Rates
    places: Places
    exposition: Exposition


class RequestRates:
    """What is left is kept in the request's state: its answer tells it."""

    def __init__(self, container: AsyncContainer, settings: Limits) -> None:
        self._container = container
        self._settings = settings
        self._ports: _Ports | None = None
        self._strangers: Counter[str] = Counter()

    async def of_address(self, scope: HTTPScope) -> None:
        """Count a request before anybody knows whose it is. Raises `Limited`."""
        await self._count(scope, self._of_address(scope))

    def _of_address(self, scope: HTTPScope) -> Bucket:
        return Bucket("address", _whose(scope), self._settings.address_requests)

    async def of_user(self, scope: HTTPScope, actor: Actor, key_id: UUID | None) -> None:
        """Count a request of somebody, perhaps by an API key. Raises `Limited`."""
        await self._count(scope, *self._of_user(actor, key_id))

    async def _count(self, scope: HTTPScope, *buckets: Bucket) -> None:
        """Take one of each; for a stream that is to be opened only see whether there are any."""
        if opens_stream(scope):
            ports = await self._found()
            self._require_given(ports, *map(ports.rates.peek, buckets))
        else:
            await self._take(scope["state"], *buckets, lenient=scope["method"] in SAFE)

    async def of_unopened(self, scope: HTTPScope, status: int) -> None:
        """Count a request for a stream that was answered with something else, unless that is our failure or its end."""
        if not opens_stream(scope) or "leave" in scope["state"] or not _is_answer(status):
            return
        buckets = [self._of_address(scope)]
        if (actor := scope.get("user")) is not None:
            buckets += self._of_user(actor, scope["auth"].key_id)
        await (await self._found()).rates.take(buckets, lenient=True)

    def _of_user(self, actor: Actor, key_id: UUID | None) -> Iterator[Bucket]:
        yield Bucket("user", actor.user_id.hex, self._settings.user_requests, exact=True)
        if key_id is not None:
            yield Bucket("key", key_id.hex, self._settings.key_requests, exact=True)

    def _of_end_user(self, actor: Actor, end_user: str | None) -> Iterator[Bucket]:
        if end_user is not None:
            whose = f"{actor.user_id.hex}:{end_user}"
            yield Bucket("end_user", whose, self._settings.end_user_requests)

    async def of_message(
        self, scope: HTTPScope, actor: Actor, end_user: str | None, *, is_streamed: bool = False
    ) -> None:
        """Count what somebody says, perhaps for an end user. Raises `Limited`, `TooManyOpen`."""
        if end_user is not None:
            await self._take(scope["state"], *self._of_end_user(actor, end_user))
        if is_streamed:
            await self.of_stream(scope, actor)

    async def of_stream(self, scope: HTTPScope, actor: Actor) -> None:
        """Count a stream as open until its request ends. Raises `TooManyOpen`."""
        leave = await self._enter("streams", actor, self._settings.streams)
        scope["state"]["leave"] = leave

    async def of_socket(self, actor: Actor) -> Callable[[], None]:
        """Count a socket as open until what is returned is called. Raises `TooManyOpen`."""
        return await self._enter("sockets", actor, self._settings.user_sockets)

    @contextmanager
    def of_stranger(self, client: str) -> Iterator[None]:
        """Count a socket inside whose holder, at that address, has yet to say who it is. Raises `TooManyOpen`."""
        whose, most = _network(client), max(1, self._settings.sockets // PARTS_FOR_STRANGERS)
        if self._strangers[whose] >= most:
            raise TooManyOpen(f"{most} sockets from this address have yet to say whose they are.")
        self._strangers[whose] += 1
        try:
            yield
        finally:
            self._strangers[whose] -= 1
            if not self._strangers[whose]:
                del self._strangers[whose]

    async def _enter(self, kind: str, actor: Actor, most: int) -> Callable[[], None]:
        ports, whose = await self._found(), actor.user_id.hex
        if not await ports.places.enter(kind, whose, most, exact=True):
            ports.exposition.observe_refusal(kind)
            raise TooManyOpen(f"You have {most} {kind} open: close one first.")
        return partial(ports.places.leave, kind, whose)

    async def of_frame(self, actor: Actor, key_id: UUID | None, end_user: str | None) -> None:
        """Count a message that came by a socket. Raises `Limited`."""
        await self._take({}, *self._of_user(actor, key_id), *self._of_end_user(actor, end_user))

    async def of_login(self, scope: HTTPScope) -> Bucket | None:
        """Count a login as one that fails, until it is known that it did not. Raises `Limited`."""
        if normalize_path(scope["path"]) != LOGIN or scope["method"] != "POST":
            return None
        bucket = Bucket("login", _whose(scope), self._settings.failed_logins, exact=True)
        await self._take({}, bucket)
        return bucket

    async def forgive(self, bucket: Bucket) -> None:
        await (await self._found()).rates.give_back(bucket)

    async def _take(self, state: State, *buckets: Bucket, lenient: bool = False) -> None:
        """Take one of each, or of none."""
        ports = await self._found()
        standing = await ports.rates.take(buckets, lenient=lenient)
        known: Standing | None = state.get("standing")
        if known is None or standing.remaining <= known.remaining:
            state["standing"] = standing
        self._require_given(ports, standing)

    def _require_given(self, ports: "_Ports", *standings: Standing) -> None:
        """Raises `Limited`."""
        for standing in standings:
            if not standing.retry_after_s:
                continue
            bucket = standing.bucket
            ports.exposition.observe_refusal(bucket.name)
            many = f"{bucket.quota} in {bucket.window_s} s"
            what = bucket.name.replace("_", " ")
            raise Limited(
                f"Too many requests of this {what}: {many}.", retry_after_s=standing.retry_after_s
            )

    async def _found(self) -> "_Ports":
        if self._ports is None:
            get = self._container.get
            self._ports = _Ports(await get(Rates), await get(Places), await get(Exposition))
        return self._ports


def rate_headers(standing: Standing) -> Sequence[tuple[bytes, bytes]]:
    bucket = standing.bucket
    left = f'"{bucket.name}";r={standing.remaining};t={math.ceil(standing.whole_after_s)}'
    policy = f'"{bucket.name}";q={bucket.quota};w={bucket.window_s}'
    return ((b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode()))


def opens_stream(scope: HTTPScope) -> bool:
    """Say whether this asks for a stream of events: how many are open is limited, not how often."""
    path = scope["path"]
    if not (path.startswith("/api/v1/runs/") and path.endswith("/events")):
        return False
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return scope["method"] in SAFE and b"application/json" not in accepted


def _is_answer(status: int) -> bool:
    """Say whether this tells something but that a stream is over, or that we cannot tell."""
    return 200 <= status < 500 and status != 204


def _whose(scope: HTTPScope) -> str:
    client = scope["client"]
    return _network(client[0]) if client else ""


@lru_cache(maxsize=4096)
def _network(client: str) -> str:
    """Return the address; of IPv6 the network, since one client has all addresses of one."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        return str(ip_network((address, NETWORK_BITS), strict=False))
    return client
