"""How long a login takes for names that are known and others, and a credential at first and later."""

from collections.abc import Callable, Iterable
from functools import partial
from statistics import median, quantiles
from time import perf_counter

import httpx

from bench.stage import Stage
from bench.table import show

PEOPLE = 60
PASSWORD = "correct horse battery staple"  # noqa: S105  # of nobody
PATH = "/api/v1/tools/calculator"
SETTINGS = {"POLYAGENT_LIMITS__FAILED_LOGINS": "1000000"}
NEW_KEY = {"name": "bench", "scopes": ["chat", "agents:read"]}
COLUMNS = ("", "of them", "p50 ms", "p90 ms")

Row = tuple[str | float, ...]


def run(here: Stage) -> None:
    """One request at a time, each name used once: a second failure under one name is slowed."""
    people = PEOPLE // 3 if here.quick else PEOPLE
    with here.gateway(settings=SETTINGS) as gateway, here.client(gateway) as client:
        names = [_joined(client, n) for n in range(people)]
        show("A login that fails: known names and others in turn", COLUMNS, _logins(client, names))
        tokens = [_token(client, name) for name in names]
        keys = [_key(client, token) for token in tokens]
        rows = [*_firsts(client, "token", tokens), *_firsts(client, "API key", keys)]
        show("A credential is asked about once, and known for some seconds", COLUMNS, rows)


def _joined(client: httpx.Client, n: int) -> str:
    new = {"username": f"bench{n}", "email": f"bench{n}@example.org", "password": PASSWORD}
    client.post("/api/v1/users", json={**new, "role": "member"}).raise_for_status()
    return new["username"]


def _logins(client: httpx.Client, names: Iterable[str]) -> list[Row]:
    known, unknown = [], []
    for name in names:
        known.append(_timed_ms(partial(_fails, client, name)))
        unknown.append(_timed_ms(partial(_fails, client, f"{name}x")))
    return [_row("known", known), _row("unknown", unknown)]


def _fails(client: httpx.Client, name: str) -> None:
    answer = client.post("/api/v1/users/login", json={"username": name, "password": "wrong" * 4})
    if answer.status_code != httpx.codes.UNAUTHORIZED:
        raise RuntimeError(answer.text)


def _token(client: httpx.Client, name: str) -> str:
    body = {"username": name, "password": PASSWORD}
    answer = client.post("/api/v1/users/login", json=body).raise_for_status()
    return str(answer.json()["access_token"])


def _key(client: httpx.Client, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.post("/api/v1/api-keys", json=NEW_KEY, headers=headers).raise_for_status()
    return str(answer.json()["secret"])


def _firsts(client: httpx.Client, kind: str, credentials: list[str]) -> list[Row]:
    """Ask with each of them for what is answered out of memory, and at once again."""
    first, second = [], []
    for credential in credentials:
        first.append(_timed_ms(partial(_asks, client, credential)))
        second.append(_timed_ms(partial(_asks, client, credential)))
    return [_row(f"{kind}, first", first), _row(f"{kind}, again", second)]


def _asks(client: httpx.Client, credential: str) -> None:
    headers = {"Authorization": f"Bearer {credential}"}
    client.get(PATH, headers=headers).raise_for_status()


def _timed_ms(work: Callable[[], None]) -> float:
    began = perf_counter()
    work()
    return (perf_counter() - began) * 1000


def _row(name: str, times_ms: list[float]) -> Row:
    return (name, len(times_ms), median(times_ms), quantiles(times_ms, n=10)[-1])
