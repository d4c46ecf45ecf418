"""Agents: merge patches, and settings over settings."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyagent.domain.agent import Agent, ModelSettings, NewAgent, merge, merged
from polyagent.domain.errors import Invalid
from polyagent.domain.ids import new_id

# https://www.rfc-editor.org/rfc/rfc7396#appendix-A
RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
KEYS = st.sampled_from("abc")
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=3)


def has_null(value: Any) -> bool:
    """Say whether an object, or one inside it, has a null member."""
    if not isinstance(value, dict):
        return False
    return any(item is None or has_null(item) for item in value.values())


def an_agent(**said: Any) -> Agent:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Agent(
        name="helper",
        **said,
        id=new_id(),
        workspace_id=new_id(),
        owner_id=new_id(),
        version=1,
        created_at=now,
        updated_at=now,
    )


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396)
def test_a_patch_does_what_the_rfc_says(target: Any, patch: Any, result: Any) -> None:
    assert merge(target, patch) == result


@given(VALUES, VALUES)
def test_a_patch_changes_neither_of_its_arguments(target: Any, patch: Any) -> None:
    before = msgspec.json.encode([target, patch])

    merge(target, patch)

    assert msgspec.json.encode([target, patch]) == before


@given(VALUES, VALUES)
def test_a_patch_twice_is_a_patch_once(target: Any, patch: Any) -> None:
    once = merge(target, patch)

    assert merge(once, patch) == once


@given(VALUES, OBJECTS)
def test_a_patch_leaves_no_null_that_it_brought(target: Any, patch: Any) -> None:
    result = merge({}, patch)

    assert not has_null(result)
    assert all(
        merge(target, patch).get(key) is not None for key, v in patch.items() if v is not None
    )


@given(OBJECTS)
def test_an_empty_patch_changes_nothing(target: Any) -> None:
    assert merge(target, {}) == target


def test_a_patch_sets_clears_and_merges_what_an_agent_is() -> None:
    agent = an_agent(
        description="old",
        model="some",
        model_settings=ModelSettings(temperature=0.5, top_p=0.9),
        metadata={"a": 1, "b": 2},
    )

    new = merged(
        agent,
        {
            "description": "new",
            "model": None,
            "model_settings": {"top_p": None, "seed": 7},
            "metadata": {"a": None, "c": 3},
        },
    )

    assert new == NewAgent(
        name="helper",
        description="new",
        model_settings=ModelSettings(temperature=0.5, seed=7),
        metadata={"b": 2, "c": 3},
    )


@pytest.mark.parametrize(
    "patch",
    [
        *({"name": None}, {"name": "  "}, {"version": 9}, {"tools": "calculator"}, {"limits": 1}),
        *({"owner_id": None}, {"limits": {"x": None}}, {"model_settings": {"x": None}}),
    ],
)
def test_a_patch_that_makes_no_agent_is_invalid(patch: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        merged(an_agent(), patch)


def test_settings_of_a_request_go_over_those_of_the_agent() -> None:
    base = ModelSettings(temperature=0.5, seed=1)

    assert ModelSettings(temperature=0.0).over(base) == ModelSettings(temperature=0.0, seed=1)
