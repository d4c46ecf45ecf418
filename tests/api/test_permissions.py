"""One door: who may call what."""

from datetime import timedelta
from typing import get_args
from uuid import UUID

import jwt
import msgspec
import pytest
from litestar import get
from litestar.exceptions import ImproperlyConfiguredException
from litestar.routes import HTTPRoute

from polyagent.adapters.http.actor import require_permissions
from polyagent.adapters.http.socket import frames
from polyagent.ports.clock import Clock
from polyagent.ports.vault import TokenRing
from tests.api.front import error_of
from tests.api.house import SECRET, House
from tests.api.matrix.rights import CHATS, FRAMES

PUBLIC = {
    *(
        "/api/v1/users/register",
        "/api/v1/users/login",
        "/api/v1/users/refresh",
        "/health",
        "/health/live",
        "/health/ready",
        "/metrics",
    ),
    *(
        "/problems/{code:str}",
        "/openapi.json",
        "/asyncapi.json",
        "/docs",
        "/docs/assets/{file_path:path}",
    ),
}


def _routes(house: House) -> list[HTTPRoute]:
    return [route for route in house.app.routes if isinstance(route, HTTPRoute)]


async def test_only_these_routes_are_public(house: House) -> None:
    public = {
        route.path
        for route in _routes(house)
        for handler in route.route_handlers
        if handler.opt.get("permission") == "public"
    }

    assert public == PUBLIC


async def test_every_other_route_wants_credentials(house: House) -> None:
    asked = 0
    for route in _routes(house):
        if route.path in PUBLIC:
            continue
        path = route.path_format.format(
            **dict.fromkeys(route.path_parameters, "01990000-0000-7000-8000-000000000000")
        ).replace("versions/01990000-0000-7000-8000-000000000000", "versions/1")
        for method in route.methods - {"OPTIONS"}:
            answer = await house.nobody.request(method, path)

            if path.startswith("/v1/"):
                error_of(answer, 401, "invalid_api_key")
            else:
                answer.as_problem(401, "unauthenticated")
            assert answer.headers["www-authenticate"] == 'Bearer realm="polyagent"'
            asked += 1

    assert asked > 20


def test_a_handler_without_a_permission_stops_the_start() -> None:
    @get("/open", sync_to_thread=False)
    def careless() -> str:
        return "anybody"

    route = HTTPRoute(path="/open", route_handlers=[careless])

    with pytest.raises(ImproperlyConfiguredException, match="/open"):
        require_permissions([route])


def test_each_frame_has_a_permission() -> None:
    told = {kind.__struct_config__.tag: kind for kind in get_args(frames.ClientFrame)}

    assert set(told) == FRAMES
    assert {frames.PERMISSIONS[kind] for kind in told.values()} == {"chat", "public"}
    assert CHATS.scope == frames.TO_OPEN


def test_a_frame_without_a_permission_stops_the_start() -> None:
    class Careless(msgspec.Struct, tag="careless"):
        pass

    with pytest.raises(ImproperlyConfiguredException, match="Careless"):
        frames.require_permissions(frames.Ping | Careless)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic YW5uOnB3", "Token abc", "Bearer a b", f"Bearer {'x' * 9000}"],
)
async def test_what_is_no_bearer_token_is_refused(house: House, header: str) -> None:
    answer = await house.nobody.get("/api/v1/users/profile", authorization=header)

    answer.as_problem(401, "unauthenticated")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def _claims(house: House) -> tuple[dict[str, object], dict[str, object]]:
    """A good token's claims and header, to be spoiled."""
    answer = await house.ann.get("/api/v1/users/profile")
    token, _ = (await house.container.get(TokenRing)).issue(UUID(answer.json["id"]), 1)
    claims = jwt.decode(token, options={"verify_signature": False})
    return claims, jwt.get_unverified_header(token)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"aud": "another"},
        {"iss": "another"},
        {"sub": "not-an-id"},
        {"sv": 99},
        {"sub": "01990000-0000-7000-8000-000000000000"},
    ],
)
async def test_tokens_that_say_something_else_are_refused(
    house: House, spoiled: dict[str, object]
) -> None:
    claims, header = await _claims(house)
    token = jwt.encode({**claims, **spoiled}, SECRET, "HS256", headers=header)

    answer = await house.nobody.with_token(token).get("/api/v1/users/profile")

    answer.as_problem(401, "unauthenticated")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_a_token_with_its_own_signature_is_good_and_one_of_another_secret_is_not(
    house: House,
) -> None:
    claims, header = await _claims(house)
    good = jwt.encode(claims, SECRET, "HS256", headers=header)
    forged = jwt.encode(claims, "another-secret-of-at-least-32-bytes", "HS256", headers=header)

    answers = [
        await house.nobody.with_token(token).get("/api/v1/users/profile")
        for token in (good, forged)
    ]

    assert answers[0].status == 200
    answers[1].as_problem(401, "unauthenticated")


async def test_alg_none_is_refused(house: House) -> None:
    claims, header = await _claims(house)
    token = jwt.encode(claims, "", "none", headers={**header, "alg": "none"})

    answer = await house.nobody.with_token(token).get("/api/v1/users/profile")

    answer.as_problem(401, "unauthenticated")


async def test_an_expired_token_says_so(house: House) -> None:
    claims, header = await _claims(house)
    ago = (await house.container.get(Clock)).now() - timedelta(hours=1)
    past = {"iat": int(ago.timestamp()), "exp": int(ago.timestamp()) + 60}
    token = jwt.encode({**claims, **past}, SECRET, "HS256", headers=header)

    answer = await house.nobody.with_token(token).get("/api/v1/users/profile")

    answer.as_problem(401, "token_expired")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v1/agents", {"name": "mine"}),
        ("POST", "/api/v1/tools/execute", {"name": "calculator", "arguments": {}}),
        ("GET", "/api/v1/users", None),
    ],
)
async def test_a_viewer_may_not_change_things(
    house: House, method: str, path: str, body: object
) -> None:
    answer = await house.vic.request(method, path, json=body)

    answer.as_problem(403, "forbidden")


async def test_a_member_is_no_administrator(house: House) -> None:
    new = {"username": "eve", "email": "eve@house.example", "password": "long enough"}

    answer = await house.ann.post("/api/v1/users", new)

    answer.as_problem(403, "forbidden")


async def test_a_viewer_chats_with_shared_agents(house: House) -> None:
    answer = await house.chat(house.vic)

    assert answer.status == 200
