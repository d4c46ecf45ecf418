from typing import Any

import pytest

from polyagent.adapters.openai.address import Address
from polyagent.adapters.openai.wire import Wire
from polyagent.domain.errors import Invalid
from polyagent.settings import Ai


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "schlüssel"},
        {"key": "two\nlines"},
        {"proxy": "socks5://127.0.0.1:1080"},
        {"proxy": "nowhere"},
    ],
)
def test_settings_that_cannot_work_are_refused_at_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=f"ai.{next(iter(wrong))}"):
        Wire(Address.parse("http://127.0.0.1"), Ai(**wrong))
