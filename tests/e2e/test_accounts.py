"""Accounts on real processes: what one gateway does to a user, all of them feel."""

import asyncio
import base64
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.e2e.house import House, named
from tests.e2e.server import Up, eventually

PASSWORD = "correct horse battery"
LIMIT_S = 60


class Person:
    """A member with a login at one gateway."""

    def __init__(self, house: House, gateway: str) -> None:
        self.name = named("person")
        self.gateway = gateway
        new = {
            "username": self.name,
            "email": f"{self.name}@house.example",
            "password": PASSWORD,
        }
        made = house.http.post(f"{gateway}/api/v1/users", json=new).raise_for_status()
        self.id = str(made.json()["id"])
        self.tokens = self.logs_in()

    def logs_in(self) -> dict[str, Any]:
        body = {"username": self.name, "password": PASSWORD}
        answer = _post(f"{self.gateway}/api/v1/users/login", body)
        return dict(answer.raise_for_status().json())

    @property
    def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    def status(self, gateway: str, token: str | None = None) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else self.headers
        url = f"{gateway}/api/v1/users/profile"
        return httpx.get(url, headers=headers, timeout=LIMIT_S, trust_env=False).status_code


def _post(url: str, body: object, headers: Mapping[str, str] | None = None) -> httpx.Response:
    return httpx.post(url, json=body, headers=headers, timeout=LIMIT_S, trust_env=False)


def _close_code(talk: ClientConnection) -> int | None:
    try:
        for _ in talk:
            continue
    except ConnectionClosed:
        pass
    return talk.close_code


def _kid(token: str) -> str:
    header = token.partition(".")[0]
    return str(json.loads(base64.urlsafe_b64decode(header + "=="))["kid"])


def test_a_suspension_ends_all_that_is_open_at_every_gateway(
    house: House, model_control: httpx.Client
) -> None:
    here, there = house.gateway(1), house.gateway(2)
    person = Person(house, here)
    key = _post(
        f"{here}/api/v1/api-keys", {"name": "x", "scopes": ["chat"]}, person.headers
    ).json()["secret"]
    assert [person.status(there), person.status(there, key)] == [200, 200]
    hold = named("hold").removeprefix("hold-")
    stream = httpx.stream(
        "POST",
        f"{there}/api/v1/chat/stream",
        json={"message": f"hold {hold}"},
        headers=person.headers,
        timeout=LIMIT_S,
        trust_env=False,
    )
    socket = connect(
        there.replace("http", "ws", 1) + "/ws", additional_headers=person.headers, proxy=None
    )
    with stream as streamed, socket as talk:
        lines = streamed.iter_lines()
        assert next(lines)
        talk.send('{"type":"ping"}')
        assert json.loads(talk.recv(LIMIT_S)) == {"type": "pong"}

        house.http.patch(
            f"{here}/api/v1/users/{person.id}", json={"status": "suspended"}
        ).raise_for_status()
        at_once = [person.status(here), person.status(here, key)]
        rest = [*lines]
        code = _close_code(talk)

    model_control.post(f"/release/{hold}")
    assert at_once == [401, 401]
    assert not any("run.completed" in line for line in rest)
    assert code == 4401
    eventually("the token is dead", lambda: person.status(there) == 401)
    eventually("the key is dead", lambda: person.status(there, key) == 401)


def test_of_twenty_who_refresh_at_once_at_two_gateways_one_wins(house: House) -> None:
    gateways = [house.gateway(1), house.gateway(2)]
    person = Person(house, gateways[0])
    body = {"refresh_token": person.tokens["refresh_token"]}

    with ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda n: _post(f"{gateways[n % 2]}/api/v1/users/refresh", body), range(20))
        )

    told = sorted(
        (answer.status_code, answer.json().get("code"))
        for answer in answers
        if answer.status_code != 200
    )
    assert told == [(401, "refresh_token_reused")] * 19
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    again = {"refresh_token": winner["refresh_token"]}
    assert _post(f"{gateways[1]}/api/v1/users/refresh", again).status_code == 401


def test_secrets_are_rotated_while_two_workers_serve(model_service: str, tmp_path: Path) -> None:
    file = tmp_path / "secrets"

    def write(*secrets: str) -> None:
        fresh = file.with_suffix(".new")
        fresh.write_text("\n".join(secrets))
        fresh.replace(file)

    def statuses(token: str) -> set[int]:
        return {
            httpx.get(
                f"{up.url}/api/v1/users/profile",
                headers={"Authorization": f"Bearer {token}"},
                timeout=LIMIT_S,
                trust_env=False,
            ).status_code
            for _ in range(20)
        }

    def logs_in() -> str:
        body = {"username": "admin", "password": PASSWORD}
        answer = _post(f"{up.url}/api/v1/users/login", body).raise_for_status()
        return str(answer.json()["access_token"])

    old, new = "o" * 40, "n" * 40
    write(old)
    environ = {
        "POLYAGENT_AUTH__JWT_SECRET_FILE": str(file),
        "POLYAGENT_SERVER__WORKERS": "2",
        "POLYAGENT_ADMIN_PASSWORD": PASSWORD,
    }
    with Up(model_service, environ=environ) as up:
        before = logs_in()

        write(new, old)
        after = logs_in()

        assert _kid(before) != _kid(after)
        assert statuses(before) == statuses(after) == {200}
        write(new)
        assert (statuses(before), statuses(after)) == ({401}, {200})


async def test_of_requests_at_once_each_is_noted_with_its_own_address(model_service: str) -> None:
    addresses = {f"/api/v1/users/{UUID(int=n)}": f"192.0.2.{n}" for n in range(90)}
    environ = {"POLYAGENT_SERVER__TRUSTED_PROXIES": "127.0.0.1"}
    with Up(model_service, environ=environ) as up:
        headers = {"Authorization": f"Bearer {up.token()}"}
        async with httpx.AsyncClient(
            base_url=up.url, headers=headers, timeout=LIMIT_S, trust_env=False
        ) as client:
            asks = [
                client.get(path, headers={"X-Forwarded-For": address})
                for path, address in addresses.items()
            ]
            await asyncio.gather(*asks)
            entries = (await client.get("/api/v1/audit?limit=100")).json()["items"]

    noted = {entry["object"].removeprefix("GET "): entry["client"] for entry in entries}
    assert {path: noted.get(path) for path in addresses} == addresses
