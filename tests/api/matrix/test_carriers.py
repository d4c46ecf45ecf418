"""Every operation, with good credentials in places where none are taken."""

from base64 import b64encode
from typing import NamedTuple

import pytest

from tests.api.client import Answer
from tests.api.matrix.document import Document, Operation
from tests.api.matrix.requests import REQUESTS, Ask
from tests.api.matrix.rights import RIGHTS
from tests.api.matrix.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Carrier(NamedTuple):
    """`place` is where: query, cookie, header, scheme (of the right header) or body; `name` what it is called."""

    place: str
    name: str


QUERIES = (
    *("token", "access_token", "api_key", "apikey", "key", "auth", "authorization"),
    *("Authorization", "bearer", "jwt", "ticket"),
)
COOKIES = ("token", "access_token", "session", "polyagent", "Authorization")
HEADERS = (
    *("X-API-Key", "Api-Key", "X-Auth-Token", "X-Access-Token", "X-Authorization"),
    *("Proxy-Authorization", "X-Forwarded-Authorization", "Sec-WebSocket-Protocol"),
)
SCHEMES = ("", "Token ", "Basic ", "ApiKey ", "Key ", "JWT ", "Digest ", "Bearer: ", "Bearer,")
FIELDS = ("token", "access_token", "api_key", "authorization", "ticket")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"}
CARRIERS = (
    *(Carrier("query", name) for name in QUERIES),
    *(Carrier("cookie", name) for name in COOKIES),
    *(Carrier("header", name) for name in HEADERS),
    *(Carrier("scheme", name) for name in SCHEMES),
    *(Carrier("body", name) for name in FIELDS),
)


@pytest.mark.parametrize("place_of", ["query", "cookie", "header", "scheme", "body"])
async def test_credentials_count_nowhere_but_in_their_header(
    place: Town, document: Document, place_of: str
) -> None:
    secrets = await _secrets(place)
    for operation in document.operations.values():
        if RIGHTS[operation.id].role is None:
            continue
        ask = await REQUESTS[operation.id](place, place.root)
        before = place.snapshot()
        for carrier in CARRIERS:
            if carrier.place != place_of:
                continue
            for kind, secret in secrets.items():
                answer = await _carried(place, operation, ask, carrier, secret)

                what = (operation.id, carrier, kind, answer.body)
                assert operation.is_refused(answer, 401, "unauthenticated"), what
        assert place.snapshot() == before, operation.id


async def _secrets(place: Town) -> dict[str, str]:
    client = await place.client(place.root)
    made = await client.post("/api/v1/tickets", {"for": "/ws"})
    return {
        "token": await place.token(place.root),
        "key": (await place.key(place.root, "admin", "chat")).secret,
        "ticket": made.json["ticket"],
    }


async def _carried(
    place: Town, operation: Operation, ask: Ask, carrier: Carrier, secret: str
) -> Answer:
    path, json, headers = ask.path(operation), ask.json, dict[str, str]()
    match carrier.place:
        case "query":
            path += f"?{carrier.name}={secret}"
        case "cookie":
            headers["Cookie"] = f"{carrier.name}={secret}"
        case "header":
            headers[carrier.name] = f"Bearer {secret}"
        case "scheme":
            headers["Authorization"] = f"{carrier.name}{_given(carrier.name, secret)}"
        case _:
            json = {**(json or {}), carrier.name: secret}
    return await place.house.nobody.request(operation.method, path, json=json, headers=headers)


def _given(scheme: str, secret: str) -> str:
    return b64encode(f"bearer:{secret}".encode()).decode() if scheme == "Basic " else secret


async def test_a_ticket_counts_at_its_own_address_alone(place: Town, document: Document) -> None:
    client = await place.client(place.ann)
    talk = await place.talk(place.ann)
    events = f"/api/v1/runs/{talk.run_id}/events"
    opened = []
    for operation in document.operations.values():
        if RIGHTS[operation.id].role is None:
            continue
        ask = await REQUESTS[operation.id](place, place.ann)
        if operation.id == "list_run_events":
            ask = ask._replace(about=talk._asdict())
        ticket = (await client.post("/api/v1/tickets", {"for": events})).json["ticket"]
        answer = await place.house.nobody.request(
            operation.method, f"{ask.path(operation)}?ticket={ticket}", json=ask.json
        )
        if answer.status == 200:
            opened.append(operation.id)
        else:
            assert operation.is_refused(answer, 401, "unauthenticated"), operation.id

    assert opened == ["list_run_events"]


async def test_no_other_method_leads_anywhere(place: Town, document: Document) -> None:
    client = await place.client(place.root)
    declared: dict[str, set[str]] = {}
    for operation in document.operations.values():
        declared.setdefault(operation.path, {"HEAD"}).add(operation.method)

    for operation in document.operations.values():
        ask = await REQUESTS[operation.id](place, place.root)
        before = place.snapshot()
        for method in METHODS - declared[operation.path]:
            answer = await client.request(method, ask.path(operation), json=ask.json)

            assert answer.status in (404, 405), (operation.id, method, answer.body)
        assert place.snapshot() == before


async def test_head_is_refused_as_get_is(place: Town, document: Document) -> None:
    viewer = await place.client(place.vic)
    for operation in document.operations.values():
        right = RIGHTS[operation.id]
        if operation.method != "GET" or right.role is None:
            continue
        path = (await REQUESTS[operation.id](place, place.root)).path(operation)
        nobodys = await place.house.nobody.request("HEAD", path)
        viewers = await viewer.request("HEAD", path)
        got = await viewer.request("GET", path)

        assert (nobodys.status, nobodys.body) == (401, b""), operation.id
        assert (viewers.status, viewers.body) == (got.status, b""), operation.id


async def test_of_two_headers_neither_counts(place: Town, document: Document) -> None:
    good = f"Bearer {await place.token(place.root)}"
    for operation in document.operations.values():
        if RIGHTS[operation.id].role is None:
            continue
        ask = await REQUESTS[operation.id](place, place.root)
        for other in (good, "Bearer nonsense", ""):
            for pair in ((good, other), (other, good)):
                answer = await place.house.nobody.request(
                    operation.method,
                    ask.path(operation),
                    json=ask.json,
                    also=tuple(("Authorization", each) for each in pair),
                )

                assert operation.is_refused(answer, 401, "unauthenticated"), (operation.id, pair)


async def test_no_spelling_of_an_address_opens_it(place: Town, document: Document) -> None:
    for operation in document.operations.values():
        if RIGHTS[operation.id].role is None:
            continue
        ask = await REQUESTS[operation.id](place, place.root)
        path = ask.path(operation)
        before = place.snapshot()
        for spelled in (
            *(f"{path}/", f"{path}//", f"/{path}", path.upper(), path.replace("/", "//")),
            *(path.replace("/v1", "/./v1"), f"/health/..{path}", f"/docs/assets/..{path}"),
            *(path.replace("/v1", "/%76%31"), path.replace("/v1/", "/v1%2F"), f"{path};x=/health"),
            *(
                f"{path}%00",
                f"{path}%20",
                f"{path}.json",
                f"{path}%2e%2e%2fhealth",
                f"{path}?/health",
            ),
        ):
            answer = await place.house.nobody.request(operation.method, spelled, json=ask.json)

            assert answer.status in (400, 401, 404, 405), (operation.id, spelled, answer.body)
        assert place.snapshot() == before, operation.id


@pytest.mark.parametrize("ending", ["suspended", "deleted", "logged out", "key deleted"])
async def test_a_ticket_ends_with_what_it_was_made_with(place: Town, ending: str) -> None:
    user = await place.user("member")
    key, client = await place.key(user, "chat"), await place.client(user)
    maker = place.house.nobody.with_token(key.secret) if "key" in ending else client
    path = f"/api/v1/runs/{(await place.talk(user)).run_id}/events"
    tickets = [(await maker.post("/api/v1/tickets", {"for": path})).json["ticket"] for _ in "ab"]
    good = await place.house.nobody.get(f"{path}?ticket={tickets[0]}")

    root = await place.client(place.root)
    match ending:
        case "suspended":
            body = {"status": "suspended"}
            await root.request("PATCH", f"/api/v1/users/{user.id}", json=body)
        case "deleted":
            await root.request("DELETE", f"/api/v1/users/{user.id}")
        case "logged out":
            await client.post("/api/v1/users/logout")
        case _:
            await client.request("DELETE", f"/api/v1/api-keys/{key.id}")
    bad = await place.house.nobody.get(f"{path}?ticket={tickets[1]}")

    assert good.status == 200
    bad.as_problem(401, "unauthenticated")
