"""What is checked against a schema, and that nobody makes a check last."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyagent.adapters.jsonschema.schemas import GENERAL, TOO_LARGE, RustSchemas
from polyagent.domain.errors import Invalid
from polyagent.domain.response_format import MAX_PLACES, extent

SCHEMAS = RustSchemas()

KINDS: list[dict[str, Any]] = [
    {"properties": {"op": {"const": kind}, "l": {"$ref": "#"}}, "required": ["op", "l"]}
    for kind in ("add", "mul", "neg")
]
EXPRESSION = {"anyOf": [{"type": "integer"}, *({"type": "object", **kind} for kind in KINDS)]}


def chain(length: int, inner: Any, op: str) -> Any:
    value = inner
    for _ in range(length):
        value = {"op": op, "l": value}
    return value


@pytest.mark.parametrize(
    ("schema", "value", "misfit"),
    [
        ({"type": "integer"}, 2**70, None),
        ({"type": "integer"}, 1.0, None),
        ({"const": "ü"}, "ü", None),
        ({"format": "email"}, "no address", None),
        ({"items": {"type": "string"}}, ["a", 7], '#/1: The value is not of type "string"'),
        ({"properties": {"a/b": {"maxLength": 1}}}, {"a/b": "xy"}, "#/a~1b: "),
        (
            {"properties": {"y": {}}, "additionalProperties": False},
            {"x": 1},
            "#: Additional properties are not allowed ('x' was unexpected)",
        ),
        (
            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "x" * 1000,
            "#: The value is not valid",
        ),
        ({"pattern": "^(a+)+$"}, "a" * 100_000 + "!", "#: "),
    ],
)
def test_what_does_not_fit_is_said(schema: Any, value: Any, misfit: str | None) -> None:
    SCHEMAS.require_sound(schema, "#")

    said = SCHEMAS.misfit(schema, value)

    assert said is None if misfit is None else str(said).startswith(misfit)
    assert len(said or "") < 400


@pytest.mark.parametrize("depth", [1, 20, 200])
def test_a_recursive_schema_is_checked_in_linear_time(depth: int) -> None:
    SCHEMAS.require_sound(EXPRESSION, "#")

    assert SCHEMAS.misfit(EXPRESSION, chain(depth, 7, "neg")) is None
    assert SCHEMAS.misfit(EXPRESSION, chain(depth, 7, "div")) == GENERAL
    assert SCHEMAS.misfit(EXPRESSION, chain(depth, "7", "neg")) == GENERAL


def test_a_value_that_takes_too_many_checks_does_not_fit() -> None:
    assert SCHEMAS.misfit({"anyOf": [{}] * 4_000}, [0] * 2_000) == TOO_LARGE


def doubled(levels: int, **innermost: Any) -> dict[str, Any]:
    defs: dict[str, Any] = {"n0": innermost}
    for n in range(1, levels + 1):
        defs[f"n{n}"] = {"allOf": [{"$ref": f"#/$defs/n{n - 1}"}] * 2}
    return {"$ref": f"#/$defs/n{levels}", "$defs": defs}


def woven(width: int) -> dict[str, Any]:
    """Return places that each refer to the next three, round in a circle."""
    return {
        "$ref": "#/$defs/n0",
        "$defs": {
            f"n{n}": {
                "allOf": [
                    {"properties": {"l": {"$ref": f"#/$defs/n{(n + step) % width}"}}}
                    for step in (1, 2, 3)
                ]
            }
            for n in range(width)
        },
    }


@pytest.mark.parametrize(
    "bomb",
    [
        doubled(30),
        doubled(30, properties={"z": {"$ref": "#"}}),
        woven(40),
        {"properties": {"definitions": {"allOf": [{"$ref": "#/$defs/n20"}]}}, **doubled(20)},
        {
            "$ref": "#/$defs/n900",
            "$defs": {f"n{n}": {"$ref": f"#/$defs/n{n - 1}"} for n in range(901)},
        },
    ],
)
def test_a_schema_that_grows_as_it_is_written_out_is_refused(bomb: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match=r"places with each \$ref"):
        SCHEMAS.require_sound(bomb, "#")


def test_what_lies_on_the_shelf_counts_where_it_is_used() -> None:
    shelf = {f"n{n}": {"type": "string"} for n in range(100)}

    assert extent({"$defs": shelf}).places == 1
    assert extent({"$ref": "#/$defs/n1", "$defs": shelf}).places == 2
    assert extent({"items": [{"$ref": "#/$defs/n%31"}] * 3, "$defs": shelf}).places == 8


def test_a_reference_into_itself_makes_a_schema_recursive() -> None:
    assert not extent(doubled(3)).recursive
    assert extent(EXPRESSION).recursive
    assert extent({"$ref": "#"}).recursive


@given(
    st.recursive(
        st.one_of(
            st.just({"$ref": "#"}),
            st.sampled_from([{"$ref": f"#/$defs/{name}"} for name in "abc"]),
            st.sampled_from([{"type": "integer"}, {}, True]),
        ),
        lambda inner: st.one_of(
            st.fixed_dictionaries({"properties": st.dictionaries(st.sampled_from("lr"), inner)}),
            *(
                st.fixed_dictionaries({key: st.lists(inner, min_size=1, max_size=3)})
                for key in ("allOf", "anyOf", "oneOf")
            ),
            st.fixed_dictionaries({"not": inner}),
            st.fixed_dictionaries({"items": inner}),
        ),
        max_leaves=12,
    ).flatmap(
        lambda root: st.fixed_dictionaries(
            {
                "allOf": st.just([root]),
                "$defs": st.fixed_dictionaries(dict.fromkeys("abc", st.just(root))),
            }
        )
    ),
    st.integers(1, 100),
)
def test_any_schema_that_is_taken_is_checked_at_once(schema: Any, depth: int) -> None:
    value: Any = 0
    for n in range(depth):
        value = {"l": value} if n % 3 else [value]

    try:
        SCHEMAS.require_sound(schema, "#")
    except Invalid:
        return

    assert extent(schema).places <= MAX_PLACES
    SCHEMAS.misfit(schema, value)
