"""Credentials of every kind, and what each stands for. A new one is made for each request."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NamedTuple, get_args

from polyagent.domain.account import Role
from polyagent.domain.api_key import Scope
from tests.api.matrix.rights import Bearer
from tests.api.matrix.town import Town

Make = Callable[[Town], Awaitable[str | None]]

REFUSED = Bearer(refused="unauthenticated")
EXPIRED = Bearer(refused="token_expired")


class Credential(NamedTuple):
    name: str
    bearer: Bearer
    make: Make


async def _nothing(_: Town) -> None:
    return None


async def _login(town: Town, role: Role) -> str:
    return await town.token(await town.user(role))


async def _changed(town: Town, before: Role, **values: Any) -> str:
    user = await town.user(before)
    token = await town.token(user)
    await town.becomes(user, **values)
    return token


async def _deleted(town: Town) -> str:
    user = await town.user("member")
    token = await town.token(user)
    await town.leaves(user)
    return token


async def _operators(town: Town, version: int) -> str:
    user = await town.user("admin")
    return await town.forged(user, {"sid": None, "sv": version}, {})


async def _spoiled(
    town: Town,
    claims: dict[str, Any] | None = None,
    header: dict[str, Any] | None = None,
    **signing: Any,
) -> str:
    return await town.forged(await town.user("admin"), claims or {}, header or {}, **signing)


async def _claiming(town: Town) -> str:
    return await town.forged(await town.user("viewer"), {"role": "admin", "scopes": [*EVERY]}, {})


async def _expired(town: Town) -> str:
    then = int(town.now().timestamp()) - 3600
    return await _spoiled(town, {"iat": then, "exp": then + 600})


async def _refresh(town: Town) -> str:
    return (await town.logs_in(await town.user("admin")))[1]


async def _ticket(town: Town) -> str:
    answer = await (await town.client(town.root)).post("/api/v1/tickets", {"for": "/ws"})
    ticket: str = answer.json["ticket"]
    return ticket


async def _key(town: Town, *scopes: str, role: Role = "admin", hours: int | None = None) -> str:
    expires_at = None if hours is None else town.now() + timedelta(hours=hours)
    return (await town.key(await town.user(role), *scopes, expires_at=expires_at)).secret


async def _key_of(town: Town, **values: Any) -> str:
    """Every scope, of a member who is not any more what it was."""
    user = await town.user("member")
    key = await town.key(user, *get_args(Scope))
    await town.becomes(user, **values)
    return key.secret


async def _revoked_key(town: Town) -> str:
    user = await town.user("admin")
    key = await town.key(user, "admin")
    await town.without_key(key, user)
    return key.secret


async def _half_a_key(town: Town) -> str:
    return (await _key(town, "admin"))[:-1] + "~"


async def _foreign(town: Town, role: Role | None) -> str:
    token = f"foreign-{role}"
    town.embassy.sends(token, token, username=token, role=role)
    return token


async def _literal(_: Town, text: str) -> str:
    return text


EVERY: tuple[Scope, ...] = get_args(Scope)


def _of(name: str, bearer: Bearer, make: Any, /, *args: Any, **given: Any) -> Credential:
    return Credential(name, bearer, lambda town: make(town, *args, **given))


LOGINS = [_of(f"login: {role}", Bearer(role), _login, role) for role in get_args(Role)]
KEYS = [_of(f"key: {scope}", Bearer("admin", frozenset({scope})), _key, scope) for scope in EVERY]
FOREIGN = [
    _of(f"foreign: {role}", Bearer(role or "member", family=False), _foreign, role)
    for role in (None, *get_args(Role))
]

GOOD: tuple[Credential, ...] = (
    *LOGINS,
    *KEYS,
    *FOREIGN,
    _of("demoted", Bearer("viewer"), _changed, "admin", role="viewer"),
    _of("promoted", Bearer("admin"), _changed, "viewer", role="admin"),
    _of("claims a role", Bearer("viewer"), _claiming),
    _of("operator's token", Bearer("admin", family=False), _operators, 1),
    _of("key: nothing", Bearer("admin", frozenset()), _key),
    _of("key: everything", Bearer("admin", frozenset(EVERY)), _key, *EVERY),
    _of("key beyond its maker", Bearer("member", frozenset(EVERY)), _key, *EVERY, role="member"),
    _of("key that lasts", Bearer("admin", frozenset({"chat"})), _key, "chat", hours=1),
    _of("key of the demoted", Bearer("viewer", frozenset(EVERY)), _key_of, role="viewer"),
)
BAD: tuple[Credential, ...] = (
    _of("nothing", REFUSED, _nothing),
    _of("suspended", REFUSED, _changed, "admin", status="suspended"),
    _of("deleted", REFUSED, _deleted),
    _of("operator's token before a new password", REFUSED, _operators, 0),
    _of("refresh token", REFUSED, _refresh),
    _of("ticket", REFUSED, _ticket),
    _of("key: expired", REFUSED, _key, *EVERY, hours=-1),
    _of("key: revoked", REFUSED, _revoked_key),
    _of("key: spoiled", REFUSED, _half_a_key),
    _of("key of the suspended", REFUSED, _key_of, status="suspended"),
    _of("key: no id", REFUSED, _literal, "pa_x_y"),
    _of("foreign: unknown", REFUSED, _literal, "somebody-elses"),
    _of("foreign: forged", REFUSED, _literal, "forged"),
    _of("expired", EXPIRED, _expired),
    _of("alg none", REFUSED, _spoiled, algorithm="none", key=""),
    _of("alg HS512", REFUSED, _spoiled, algorithm="HS512"),
    _of("another secret", REFUSED, _spoiled, key="another-secret-of-at-least-32-bytes"),
    _of("another audience", REFUSED, _spoiled, {"aud": "another"}),
    _of("another issuer", REFUSED, _spoiled, {"iss": "https://id.example"}),
    _of("another type", REFUSED, _spoiled, None, {"typ": "JWT"}),
    _of("kid: a path", REFUSED, _spoiled, None, {"kid": "../../../../dev/null"}),
    _of("kid: another", REFUSED, _spoiled, None, {"kid": "2"}),
    _of("crit", REFUSED, _spoiled, None, {"crit": ["exp"]}),
)
