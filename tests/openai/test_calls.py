"""Tool calls as services really send them: cases 3 to 5 of what users hit."""

from typing import Any

import pytest

from polyagent.ports.models import Models
from tests.openai.caller import DONE, answer, calls, calls_of, fin, stub, tc

T = "look"
Q1, Q2 = '{"q":"1"}', '{"q":"2"}'


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([tc(0, "a", T, Q1), tc(0, "b", T, Q2)], id="one index for all"),
        pytest.param(
            [
                tc(0, "a", T, '{"q":'),
                tc(1, "b", T, '{"q":'),
                tc(0, None, None, '"1"}'),
                tc(1, None, None, '"2"}'),
            ],
            id="interleaved",
        ),
        pytest.param(
            [
                tc(0, "a", T, '{"q":'),
                tc(0, "a", T, '"1"}'),
                tc(1, "b", T, '{"q":'),
                tc(1, "b", T, '"2"}'),
            ],
            id="id and name repeated",
        ),
        pytest.param(
            [
                tc(0, "a", T, '{"q":'),
                tc(0, "b", T, '{"q":'),
                tc(0, "a", None, '"1"}'),
                tc(0, "b", None, '"2"}'),
            ],
            id="interleaved under one index",
        ),
        pytest.param([tc(None, "a", T, Q1), tc(None, "b", T, Q2)], id="no index"),
        pytest.param(
            [
                tc(None, "a", T, '{"q":'),
                tc(None, None, None, '"1"}'),
                tc(None, "b", T, '{"q":'),
                tc(None, None, None, '"2"}'),
            ],
            id="no index, in pieces",
        ),
        pytest.param([tc(1, "a", T, Q1), tc(2, "b", T, Q2)], id="first index 1"),
        pytest.param([tc(0, "call_0", T, Q1), tc(0, "call_0", T, Q2)], id="one id and index"),
        pytest.param([tc(0, "call_0", T, Q1), tc(1, "call_0", T, Q2)], id="one id"),
        pytest.param([tc(0, "", T, Q1), tc(0, "", T, Q2)], id="empty ids"),
        pytest.param([tc(None, None, T, Q1), tc(None, None, T, Q2)], id="neither id nor index"),
        pytest.param([tc(0, "a" * 300, T, Q1), tc(0, "b" * 300, T, Q2)], id="long ids"),
        pytest.param([tc(0, "a", T, {"q": "1"}), tc(1, "b", T, {"q": "2"})], id="objects"),
        pytest.param(
            [tc(0, "a", None, None), tc(0, None, T, Q1), tc(1, "b", T, ""), tc(1, "b", None, Q2)],
            id="name after id",
        ),
    ],
)
async def test_two_calls_are_two(entries: list[dict[str, Any]], models: Models) -> None:
    deltas = await answer(models, stub(*calls(*entries), fin("tool_calls"), DONE))

    assert calls_of(deltas) == [(T, Q1), (T, Q2)]


@pytest.mark.parametrize("arguments", ["", " ", None, '"[]"', "{}\n", "```json\n{}\n```"])
async def test_odd_arguments_are_handed_on_as_they_are(
    arguments: str | None, models: Models
) -> None:
    deltas = await answer(models, stub(*calls(tc(0, "a", T, arguments)), fin("tool_calls")))

    assert calls_of(deltas) == [(T, arguments or "")]
