"""Users: made by administrators, logging in, reading who they are."""

from hashlib import sha256

import pytest

from polyagent.ports.failures import LoginFailures
from tests.api.house import House, without

EVE = {"username": "eve", "email": "Eve@house.example", "password": "correct horse"}


async def test_an_administrator_makes_a_user_who_logs_in_and_reads_who_it_is(house: House) -> None:
    made = await house.root.post("/api/v1/users", {**EVE, "role": "viewer"})

    login = await house.nobody.post(
        "/api/v1/users/login", {"username": "EVE", "password": EVE["password"]}
    )

    assert made.status == 201
    assert login.status == 200
    assert set(login.json) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert login.json["token_type"] == "Bearer"
    profile = await house.nobody.with_token(login.json["access_token"]).get("/api/v1/users/profile")
    assert profile.status == 200
    assert set(profile.json) == {
        *("id", "workspace_id", "username", "email", "role", "status", "settings"),
        *("created_at", "updated_at", "last_login_at"),
    }
    assert profile.json["role"] == "viewer"
    assert profile.json["last_login_at"].endswith("Z")


async def test_logging_in_by_email_works_too(house: House) -> None:
    await house.root.post("/api/v1/users", EVE)

    login = await house.nobody.post(
        "/api/v1/users/login", {"email": "eve@house.example", "password": EVE["password"]}
    )

    assert login.status == 200


async def test_a_wrong_name_and_a_wrong_password_are_told_alike(house: House) -> None:
    await house.root.post("/api/v1/users", EVE)

    answers = [
        await house.nobody.post("/api/v1/users/login", body)
        for body in (
            {"username": "eve", "password": "wrong one"},
            {"username": "nobody", "password": "wrong one"},
        )
    ]

    first, second = (without(a.as_problem(401, "bad_credentials"), "request_id") for a in answers)
    assert first == second
    assert answers[0].headers["www-authenticate"] == 'Bearer realm="polyagent"'


async def test_a_login_names_exactly_one_of_username_and_email(house: House) -> None:
    both = {"username": "eve", "email": "e@x.example", "password": "whatever"}

    for body in (both, {"password": "whatever"}):
        answer = await house.nobody.post("/api/v1/users/login", body)

        answer.as_problem(400, "invalid_request")


async def test_a_name_is_taken_once(house: House) -> None:
    await house.root.post("/api/v1/users", EVE)

    answer = await house.root.post("/api/v1/users", {**EVE, "email": "other@house.example"})

    answer.as_problem(409, "name_taken")


@pytest.mark.parametrize("field", ["username", "email"])
async def test_a_line_end_is_no_part_of_a_name(house: House, field: str) -> None:
    answer = await house.root.post("/api/v1/users", {**EVE, field: f"{EVE[field]}\n"})

    answer.as_problem(400, "invalid_request")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "x" * 10_000),
        ("email", f"{'x' * 10_000}@house.example"),
        ("password", "x" * 10_000),
        ("username", "ad\u200bmin"),
        ("email", "e\u200bve@house.example"),
        ("username", "\u3164"),
    ],
)
async def test_names_that_are_too_long_or_not_seen_are_refused(
    house: House, field: str, value: str
) -> None:
    answer = await house.root.post("/api/v1/users", {**EVE, field: value})

    problem = answer.as_problem(400, "invalid_request")
    assert problem["errors"][0]["pointer"] == f"#/{field}"


async def test_a_name_in_full_width_letters_is_the_same_name(house: House) -> None:
    await house.root.post("/api/v1/users", EVE)
    wide = "\uff25\uff36\uff25"

    again = await house.root.post(
        "/api/v1/users", {**EVE, "username": wide, "email": "other@house.example"}
    )
    login = await house.nobody.post(
        "/api/v1/users/login", {"username": wide, "password": EVE["password"]}
    )

    again.as_problem(409, "name_taken")
    assert login.status == 200


async def test_a_password_in_another_composition_is_the_same_password(house: House) -> None:
    await house.root.post("/api/v1/users", {**EVE, "password": "caf\u00e9 au lait"})

    login = await house.nobody.post(
        "/api/v1/users/login", {"username": "eve", "password": "cafe\u0301 au lait"}
    )

    assert login.status == 200


async def test_a_common_password_is_refused(house: House) -> None:
    answer = await house.root.post("/api/v1/users", {**EVE, "password": "Password123"})

    answer.as_problem(400, "password_common")


@pytest.mark.parametrize("name", ["eve", "nobody"])
async def test_after_many_failures_a_login_is_limited_whoever_it_names(
    house: House, name: str
) -> None:
    await house.root.post("/api/v1/users", EVE)
    failures = await house.container.get(LoginFailures)
    for _ in range(20):
        await failures.add(sha256(f"name:{name}".encode()).hexdigest())

    answer = await house.nobody.post(
        "/api/v1/users/login", {"username": name.upper(), "password": EVE["password"]}
    )

    answer.as_problem(429, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_a_role_cannot_be_smuggled_into_a_login(house: House) -> None:
    answer = await house.nobody.post(
        "/api/v1/users/login", {"username": "eve", "password": "whatever", "role": "admin"}
    )

    problem = answer.as_problem(400, "invalid_request")
    assert problem["errors"][0]["pointer"] == "#/role"


async def test_no_answer_shows_a_password_hash(house: House) -> None:
    await house.root.post("/api/v1/users", EVE)

    answer = await house.root.get("/api/v1/users?limit=100")

    assert {user["username"] for user in answer.json["items"]} == {
        *("ann", "bob", "vic", "root", "eve")
    }
    assert b"password" not in answer.body
    assert b"session_version" not in answer.body
