"""The guarded client among servers that are slow, endless, broken, or lead elsewhere."""

import asyncio
from urllib.parse import quote

import pytest

from polyagent.adapters.web.guarded import AT_ONCE, GuardedClient
from polyagent.domain.errors import (
    AddressRefused,
    AnswerTooLarge,
    AnswerUnusable,
    FetchFailed,
    FetchTimedOut,
    Invalid,
    PolyAgentError,
)
from polyagent.domain.outbound import Fetch, Fetched
from tests.web.conftest import Clients, Names
from tests.web.server import WebServer

LIMIT_S = 30
SHORT_S = 0.3


class Visit:
    """One server, and a client that may reach it by its name."""

    def __init__(self, server: WebServer, client: GuardedClient) -> None:
        self.server = server
        self.client = client
        self.origin = f"http://server.test:{server.port}"

    async def to(self, path: str, **ask: object) -> Fetched:
        asked = {"max_bytes": 1_000_000, "timeout_s": LIMIT_S, **ask}
        return await self.client.fetch(Fetch(url=self.origin + path, **asked))  # type: ignore[arg-type]  # tests vary them

    async def failing(self, path: str, **ask: object) -> PolyAgentError:
        with pytest.raises(PolyAgentError) as failed:
            await self.to(path, **ask)
        return failed.value


@pytest.fixture
def visit(server: WebServer, clients: Clients) -> Visit:
    return Visit(server, clients())


async def test_an_answer_is_given_as_it_came(visit: Visit) -> None:
    visit.server.pages["/hook"] = b"\x00\xff"

    fetched = await visit.to("/hook", method="POST", headers={"X-Sign": "1"}, body=b"{}")

    assert (fetched.status, fetched.body, fetched.headers) == (
        *(200, b"\x00\xff"),
        {"content-length": "2"},
    )
    (request,) = visit.server.requests
    head = request.lower()
    assert request.startswith(b"POST /hook HTTP/1.1\r\n")
    assert request.endswith(b"\r\n\r\n{}")
    assert b"x-sign: 1\r\n" in head
    assert b"accept-encoding: identity\r\n" in head
    assert f"host: server.test:{visit.server.port}\r\n".encode() in head


async def test_a_status_that_is_no_success_is_an_answer(visit: Visit) -> None:
    assert (await visit.to("/status/503")).status == 503


@pytest.mark.parametrize(
    "place",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:{port}/page",
        "//127.0.0.1:{port}/page",
        "http://private.test:{port}/page",
        "http://[::1]:{port}/page",
        "file:///etc/passwd",
        "gopher://server.test/",
        "javascript:alert(1)",
        "http://user:password@server.test:{port}/page",
        "http:\\\\127.0.0.1:{port}/page",
        "http://server.test:0/",
        "http://[::1",
    ],
)
async def test_no_redirect_leads_where_its_user_may_not_go(
    visit: Visit, names: Names, place: str
) -> None:
    names.known["private.test"] = [["10.0.0.1"]]
    visit.server.pages["/page"] = b"secret"
    place = place.replace("{port}", str(visit.server.port))

    error = await visit.failing(f"/redirect/302%20{quote(place, safe='')}", redirects=3)

    assert isinstance(error, AddressRefused)
    assert len(visit.server.asked) == 1


async def test_a_host_is_judged_again_on_every_way_to_it(visit: Visit, names: Names) -> None:
    names.known["server.test"] = [["127.0.0.1"]]
    names.known["other.test"] = [["127.0.0.1"]]

    error = await visit.failing(
        f"/redirect/307%20http://other.test:{visit.server.port}/", redirects=1
    )

    assert isinstance(error, AddressRefused)


async def test_redirects_are_followed_as_many_as_were_asked_for(visit: Visit) -> None:
    visit.server.pages["/page"] = b"here"

    followed = await visit.to("/redirect/301%20/page", redirects=1)
    unfollowed = await visit.to("/redirect/301%20/page")
    error = await visit.failing("/loop/", redirects=3)

    assert (followed.body, followed.url) == (b"here", f"{visit.origin}/page")
    assert (unfollowed.status, unfollowed.headers["location"]) == (301, "/page")
    assert isinstance(error, AnswerUnusable)
    assert [line for line in visit.server.asked if "/loop" in line] == [
        f"GET /loop/{'x' * n} HTTP/1.1" for n in range(4)
    ]


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(303, "GET", b""), (302, "GET", b""), (307, "POST", b"{}"), (308, "POST", b"{}")],
)
async def test_a_redirect_says_how_to_ask_again(
    visit: Visit, status: int, method: str, body: bytes
) -> None:
    visit.server.pages["/page"] = b"here"

    await visit.to(f"/redirect/{status}%20/page", method="POST", body=b"{}", redirects=1)

    again = visit.server.requests[1]
    assert again.startswith(f"{method} /page ".encode())
    assert again.partition(b"\r\n\r\n")[2] == body


async def test_headers_stay_with_the_origin_that_they_are_for(
    server: WebServer, clients: Clients
) -> None:
    visit = Visit(server, clients("127.0.0.1"))
    server.pages["/page"] = b"here"
    key = {"Authorization": "Bearer secret"}

    await visit.to("/redirect/302%20/page", headers=key, redirects=1)
    await visit.to(f"/redirect/302%20http://127.0.0.1:{server.port}/page", headers=key, redirects=1)

    assert [b"Bearer secret" in request for request in server.requests] == [
        *(True, True),
        *(True, False),
    ]


@pytest.mark.parametrize(
    ("path", "ask", "expected"),
    [
        ("/endless", {}, AnswerTooLarge),
        ("/announced", {}, AnswerTooLarge),
        ("/page", {"max_bytes": 3}, AnswerTooLarge),
        ("/bomb", {}, AnswerUnusable),
        ("/header/100000", {}, AnswerUnusable),
        ("/headers/10000", {}, AnswerUnusable),
        ("/garbage", {}, AnswerUnusable),
        ("/half", {}, FetchFailed),
        ("/reset", {}, FetchFailed),
        ("/silent", {"timeout_s": SHORT_S}, FetchTimedOut),
        ("/slow", {"timeout_s": SHORT_S}, FetchTimedOut),
    ],
)
async def test_bad_servers_get_their_name(
    visit: Visit, path: str, ask: dict[str, object], expected: type[PolyAgentError]
) -> None:
    visit.server.pages["/page"] = b"here"

    error = await visit.failing(path, **ask)

    assert type(error) is expected
    assert "127.0.0.1" not in error.detail


async def test_an_answer_of_just_the_size_is_taken(visit: Visit) -> None:
    visit.server.pages["/page"] = b"here"

    assert (await visit.to("/page", max_bytes=4)).body == b"here"


async def test_a_host_where_nobody_listens_is_unreachable(visit: Visit) -> None:
    listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    listener.close()
    await listener.wait_closed()

    with pytest.raises(FetchFailed):
        await visit.client.fetch(
            Fetch(url=f"http://server.test:{port}/", max_bytes=1, timeout_s=LIMIT_S)
        )


async def test_the_next_address_is_tried_where_one_is_dead(visit: Visit, names: Names) -> None:
    names.known["server.test"] = [["127.0.0.2", "127.0.0.1"]]
    visit.server.pages["/page"] = b"here"

    assert (await visit.to("/page")).body == b"here"


async def test_nothing_is_remembered_between_requests(visit: Visit) -> None:
    await visit.to("/cookie")
    await visit.to("/cookie")

    assert b"cookie:" not in visit.server.requests[1].lower()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "internal"},
        {"content-length": "5"},
        {"Transfer-Encoding": "chunked"},
        {"Proxy-Authorization": "x"},
        {"X-A": "b\r\nX-Injected: 1"},
        {"X-A\r\nX-Injected": "1"},
        {"X-A": "\0"},
        {"": "x"},
    ],
)
async def test_headers_that_are_ours_or_malformed_are_refused(
    visit: Visit, headers: dict[str, str]
) -> None:
    assert isinstance(await visit.failing("/page", headers=headers), Invalid)
    assert visit.server.asked == []


async def test_a_request_that_is_cancelled_ends_there_and_then(visit: Visit) -> None:
    asking = asyncio.create_task(visit.to("/endless", max_bytes=2**40))
    async with asyncio.timeout(LIMIT_S):
        while not visit.server.asked:
            await asyncio.sleep(0)

        asking.cancel()
        await asyncio.wait([asking])

        await visit.server.gone.wait()
    assert asking.cancelled()


async def test_waiting_for_a_place_is_part_of_the_time(visit: Visit) -> None:
    held = [asyncio.create_task(visit.to("/silent")) for _ in range(AT_ONCE)]
    async with asyncio.timeout(LIMIT_S):
        while len(visit.server.asked) < AT_ONCE:
            await asyncio.sleep(0)

    assert isinstance(await visit.failing("/page", timeout_s=SHORT_S), FetchTimedOut)
    for task in held:
        task.cancel()
    await asyncio.wait(held)
    assert (await visit.to("/status/204")).status == 204


async def test_a_proxy_takes_what_leads_outside(
    server: WebServer, clients: Clients, names: Names
) -> None:
    names.known |= {"outside.test": [["93.184.216.34"]], "private.test": [["10.0.0.1"]]}
    client = clients(proxy=f"http://127.0.0.1:{server.port}")
    server.pages = {"http://outside.test/page": b"here", "http://unknown.test/page": b"there"}

    told = [
        (await client.fetch(Fetch(url=url, max_bytes=10, timeout_s=LIMIT_S))).body
        for url in server.pages
    ]
    for url in ("http://private.test/page", "http://127.0.0.1/page"):
        with pytest.raises(AddressRefused):
            await client.fetch(Fetch(url=url, max_bytes=10, timeout_s=LIMIT_S))

    assert told == [b"here", b"there"]
    assert len(server.asked) == 2
