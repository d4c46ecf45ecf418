"""docs/permissions.md says what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from litestar import HttpMethod
from litestar.routes import HTTPRoute

from polyagent.adapters.http.socket import frames
from polyagent.domain.account import OF_ANY_KEY, OF_NO_KEY, PERMISSIONS, Permission, Role
from polyagent.domain.api_key import Scope
from tests.api.house import SETTINGS, House

PAGE = (Path(__file__).parents[2] / "docs" / "permissions.md").read_text()
ROW = re.compile(r"^\| (`[^|]+`) \| `([^`|]+)` \| (\w+) \| ([^|]+) \|$", re.MULTILINE)
FRAME = re.compile(r"^\| `(\w+)` \| ([^|]+) \|$", re.MULTILINE)

Right = tuple[str, str]


def _told() -> dict[tuple[str, str], Right]:
    return {
        (method, path): (role, scope.strip("`"))
        for methods, path, role, scope in ROW.findall(PAGE)
        for method in re.findall(r"`(\w+)`", methods)
    }


def _right(permission: Permission) -> Right:
    """Return the least role, and the scope of a key: its name, `any` or `none`."""
    if permission == "public":
        return "anybody", "any"
    role = next(role for role in get_args(Role) if permission in PERMISSIONS[role])
    if permission in OF_ANY_KEY:
        return role, "any"
    return role, "none" if permission in OF_NO_KEY else permission


def _operations() -> Iterator[tuple[str, str, Permission]]:
    for route in House(SETTINGS).app.routes:
        if isinstance(route, HTTPRoute) and not route.path.startswith(
            ("/docs", "/openapi", "/asyncapi")
        ):
            for handler in route.route_handlers:
                for method in handler.http_methods - {"OPTIONS"}:
                    yield HttpMethod(method).value, route.path_format, handler.opt["permission"]


def test_the_page_has_each_operation_and_what_it_takes() -> None:
    done = {(method, path): _right(permission) for method, path, permission in _operations()}

    assert _told() == done
    assert len(ROW.findall(PAGE)) == len(set(ROW.findall(PAGE)))


def test_the_page_has_each_frame_and_what_it_takes() -> None:
    kinds = {kind.__struct_config__.tag: kind for kind in get_args(frames.ClientFrame)}
    done = {
        name: "nothing more" if permission == "public" else f"`{permission}`"
        for name, permission in ((name, frames.PERMISSIONS[kind]) for name, kind in kinds.items())
    }

    assert dict(FRAME.findall(PAGE.partition("## Sockets")[2])) == done
    assert f"takes `{frames.TO_OPEN}`" in PAGE


def test_the_page_names_every_scope() -> None:
    assert all(f"`{scope}`" in PAGE for scope in get_args(Scope))
