"""The first administrator's password is the operator's own choice."""

from collections.abc import AsyncIterator

import pytest
from dishka import AsyncContainer
from structlog.testing import capture_logs

from polyagent.adapters.memory.models import ScriptedModels
from polyagent.app.library import memory_container
from polyagent.app.running import furnished
from polyagent.domain.account import Login
from polyagent.domain.errors import Invalid
from polyagent.settings import Auth, Settings
from polyagent.usecases.login import LogIn


@pytest.fixture
async def use_cases() -> AsyncIterator[AsyncContainer]:
    made = memory_container(Settings(auth=Auth(jwt_secret="s" * 32)), ScriptedModels())
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("password", "warnings"),
    [("password", ["admin.password_common"]), ("correct horse", []), (None, [])],
)
async def test_a_common_one_is_taken_with_a_warning(
    use_cases: AsyncContainer, password: str | None, warnings: list[str]
) -> None:
    with capture_logs() as logs:
        prepared = await furnished(use_cases, password)
        again = await furnished(use_cases, password)

    log_in = await use_cases.get(LogIn)
    chosen = password or prepared.password or ""
    assert (await log_in(Login(username="admin", password=chosen))).access_token
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == warnings
    assert (prepared.created, again.created) == (True, False)


async def test_a_short_one_is_refused(use_cases: AsyncContainer) -> None:
    with pytest.raises(Invalid, match="POLYAGENT_ADMIN_PASSWORD"):
        await furnished(use_cases, "short")
