"""Pages of other sites, and names that are not ours."""

from contextlib import AbstractAsyncContextManager

import pytest

from tests.api.house import House, lived_in

PAGE = "https://app.example.com"
AGENTS = "/api/v1/agents"
EXPOSED = {
    *("location", "content-location", "etag", "link", "ratelimit", "ratelimit-policy"),
    *("retry-after", "x-request-id", "idempotent-replayed"),
}


def open_house() -> AbstractAsyncContextManager[House]:
    return lived_in(cors_origins=(PAGE,), hosts=("API.example.com",))


def names(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}


async def test_a_listed_page_may_ask_and_read() -> None:
    async with open_house() as house:
        asked = await house.nobody.request(
            "OPTIONS",
            AGENTS,
            headers={
                "origin": PAGE,
                "access_control_request_method": "POST",
                "access_control_request_headers": "authorization,idempotency-key, x-own",
            },
        )
        made = await house.ann.post(AGENTS, {"name": "x"}, origin=PAGE)
        refused = await house.nobody.get(AGENTS, origin=PAGE)

        assert asked.status == 204
        assert asked.headers["access-control-allow-origin"] == PAGE
        assert {"post", "patch", "delete"} <= names(asked.headers["access-control-allow-methods"])
        assert names(asked.headers["access-control-allow-headers"]) == {
            *("authorization", "idempotency-key", "x-own")
        }
        for answer, status in ((made, 201), (refused, 401)):
            assert answer.status == status
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert names(answer.headers["access-control-expose-headers"]) == EXPOSED
            assert answer.headers["vary"] == "Origin"
        for answer in (asked, made, refused):
            assert "access-control-allow-credentials" not in answer.headers
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    [
        *("https://evil.example", f"{PAGE}.evil.example", "https://evil-app.example.com"),
        *("http://app.example.com", f"{PAGE}:8443", "null", "", f"{PAGE}/", f"{PAGE}, {PAGE}", "*"),
    ],
)
async def test_another_page_may_neither_read_nor_change(origin: str) -> None:
    async with open_house() as house:
        asked = await house.nobody.request(
            "OPTIONS", AGENTS, headers={"origin": origin, "access_control_request_method": "POST"}
        )
        read = await house.ann.get(AGENTS, origin=origin)
        changed = await house.ann.post(AGENTS, {"name": "x"}, origin=origin)

        changed.as_problem(403, "forbidden")
        for answer in (asked, read, changed):
            assert "access-control-allow-origin" not in answer.headers
            assert "access-control-allow-methods" not in answer.headers
            assert answer.headers["vary"] == "Origin"
        assert (await house.ann.get(AGENTS)).json["items"] == read.json["items"]


async def test_headers_that_are_none_are_not_granted() -> None:
    async with open_house() as house:
        asked = await house.nobody.request(
            "OPTIONS",
            AGENTS,
            headers={
                "origin": PAGE,
                "access_control_request_method": "POST",
                "access_control_request_headers": "x\r\nSet-Cookie: a=b",
            },
        )

        assert names(asked.headers["access-control-allow-headers"]) == {
            "authorization",
            "content-type",
        }


async def test_without_a_list_nobody_is_told_anything(house: House) -> None:
    answer = await house.ann.get(AGENTS, origin=PAGE)
    own = await house.ann.post(AGENTS, {"name": "x"}, origin="http://127.0.0.1")

    assert own.status == 201
    assert not {name for name in answer.headers if name.startswith("access-control")}
    assert "vary" not in answer.headers


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]", "[::1]:8080", "api.example.com"),
        "API.example.com:443",
    ],
)
async def test_names_of_the_server(host: str) -> None:
    async with open_house() as house:
        answer = await house.ann.get(AGENTS, host=host)

        assert answer.status == 200


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "",
            "localhost.evil.example",
            "evil.example:8080",
            "localhost@evil.example",
        ),
        *(
            "localhost, evil.example",
            "localhost:80:80",
            "localhost:x",
            "::1",
            "[::2]",
            "local host",
        ),
        *("localhost/", "127.0.0.2", "0.0.0.1", "lócalhost"),
    ],
)
async def test_any_other_name_is_refused(host: str) -> None:
    async with open_house() as house:
        for method, path in (
            ("GET", AGENTS),
            ("OPTIONS", AGENTS),
            ("GET", "/docs"),
            ("GET", "/metrics"),
        ):
            answer = await house.ann.request(method, path, headers={"host": host})

            assert "server.hosts" in answer.as_problem(400, "host_refused")["detail"]


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
async def test_health_is_told_under_any_name(path: str) -> None:
    async with open_house() as house:
        assert (await house.nobody.get(path, host="10.1.2.3:8080")).status == 200


async def test_the_bound_name_is_one_of_the_servers(house: House) -> None:
    async with lived_in(host="fd00::7") as bound:
        assert (await bound.ann.get(AGENTS, host="[fd00::7]:8080")).status == 200
    (await house.ann.get(AGENTS, host="[fd00::7]:8080")).as_problem(400, "host_refused")


async def test_what_browsers_must_not_do_with_answers(house: House) -> None:
    page = await house.nobody.get("/docs")
    data = await house.nobody.get("/health")

    for answer in (page, data):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert "sandbox" in data.headers["content-security-policy"]


async def test_an_address_and_headers_have_a_size(house: House) -> None:
    long = await house.ann.get(f"/nowhere?{'x' * 8200}")
    many = await house.ann.request(
        "GET", AGENTS, also=tuple((f"x-{n}", "v" * 400) for n in range(90))
    )
    most = await house.ann.request(
        "GET", AGENTS, also=tuple((f"x-{n}", "v" * 300) for n in range(90))
    )

    long.as_problem(414, "url_too_long")
    many.as_problem(431, "headers_too_large")
    assert most.status == 200
