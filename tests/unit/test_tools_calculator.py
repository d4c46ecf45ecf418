import json
from fractions import Fraction
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyagent.adapters.functions.arithmetic import MAX_DIGITS
from polyagent.adapters.functions.calculator import calculator
from polyagent.adapters.functions.expression import evaluate
from polyagent.adapters.functions.registry import FunctionTools
from polyagent.domain.errors import ToolFailed
from polyagent.domain.tool import CallContext, ToolResult

CONTEXT = CallContext(
    workspace_id=UUID(int=1), user_id=UUID(int=2), run_id=None, idempotency_key="key"
)


async def calculated(expression: str) -> ToolResult:
    tools = FunctionTools([calculator], timeout_s=30, max_result_bytes=262_144)
    return await tools.call("calculator", {"expression": expression}, CONTEXT)


def strict(text: bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("0.1+0.2", 0.3),
        ("9007199254740993", "9007199254740993"),
        ("2**53", 2**53),
        ("2**64", "18446744073709551616"),
        ("-2**2", -4),
        ("2**3**2", 512),
        ("2**-3", 0.125),
        ("0**0", 1),
        ("(-1)**10**30", 1),
        ("7 // -2", -4),
        ("-7 % 3", 2),
        ("5 % 0.3", 0.2),
        ("10 / 4 * 2", 5),
        ("1/3", 1 / 3),
        ("1_000 * .5", 500),
        ("1e-4000", "1E-4000"),
        ("10**4000/3", "3.3333333333333333e+3999"),
        ("1e308*10", "1" + "0" * 309),
        ("1e308*10-1e308*10", 0),
        ("1.0000000000000000001", "1.0000000000000000001"),
        ("sqrt(16/9) * 3", 4),
        ("4 ** 0.5", 2),
        ("abs(-3) + min(1, 2, 3) + max(4, 5)", 9),
        ("round(2.675, 2)", 2.68),
        ("round(pi, 2)", 3.14),
        ("floor(-1.5) + ceil(1.2)", 0),
        ("log(1000)", 3),
        ("log(8, 2)", 3),
        ("ln(e)", 1),
        ("exp(0) + sin(0) + cos(0) + tan(0)", 2),
        ("log(10**3000)", 3000),
        ("\u03c0 \u00d7 2 \u2212 1 \u00f7 1", 2 * 3.141592653589793 - 1),
        ("--5", 5),
        ("exp(100)", 2.6881171418161356e43),
        ("-(2**53) - 1", "-9007199254740993"),
        ("1+" * 499 + "1", 500),
    ],
)
async def test_it_computes_exactly(expression: str, result: object) -> None:
    answer = await calculated(expression)

    assert answer == ToolResult(state="done", result=result)


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("2**20000", "4000 digits"),
        ("10**15000", "4000 digits"),
        ("9**9**9", "4000 digits"),
        ("9**" * 300 + "9", "nested"),
        ("2**13000*2**13000", "4000 digits"),
        ("1e99999", "4000 digits"),
        ("0.5**14000", "4000 digits"),
        ("exp(1000)", "out of range"),
        ("sin(10**400)", "out of range"),
        ("exp(700)*exp(700)", "out of range"),
        ("1/0", "Division by zero"),
        ("1%0", "Division by zero"),
        ("0**-1", "Division by zero"),
        ("sqrt(-1)", "not defined"),
        ("(-8)**(1/3)", "not defined"),
        ("ln(0)", "not defined"),
        ("round(1, 0.5)", "not defined"),
        ("(" * 60 + "1" + ")" * 60, "nested"),
        ("-" * 900 + "1", "nested"),
        ("((1", "Expected )"),
        ("1 2", "Expected an operator, found '2'"),
        ("1 +", "Expected a number, found 'the end'"),
        ("sqrt 2", "Expected ("),
        ("sqrt(1, 2)", "takes 1 to 1"),
        ("factorial(10)", "Unknown name 'factorial'"),
        ("2 ^ 3", "Not understood: '^ 3'"),
        ("__import__('os')", 'Not understood: "__import__'),
        ("\u0661", "Not understood"),
        (" ", "Expected a number"),
        ("", "length >= 1"),
        ("1" * 1001, "length <= 1000"),
    ],
)
async def test_it_says_why_it_cannot(expression: str, reason: str) -> None:
    answer = await calculated(expression)

    assert answer.state == "failed"
    assert reason in (answer.error or "")


@given(st.text(max_size=200) | st.text("0123456789.e+-*/%(), _sqrtlnpi", max_size=200))
async def test_any_text_ends_in_strict_json(text: str) -> None:
    answer = await calculated(text)

    assert answer.state in ("done", "failed")
    assert strict(msgspec.json.encode(answer)) is not None


SIGNS = ("+", "-", "*", "/", "//", "%")
NUMBERS = st.decimals(0, 10**6, places=3).map(lambda number: f"{number:f}")
EXPRESSIONS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(SIGNS), inner).map(" ".join),
        inner.map("({})".format),
        inner.map("-({})".format),
        st.tuples(inner, st.integers(0, 4)).map(lambda pair: f"({pair[0]}) ** {pair[1]}"),
    ),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_it_agrees_with_fractions(expression: str) -> None:
    python = "".join(
        f"Fraction('{piece}')" if piece[0].isdigit() else piece for piece in _pieces(expression)
    )
    try:
        expected = Fraction(eval(python, {"Fraction": Fraction}))  # noqa: S307 - made here
    except ZeroDivisionError:
        with pytest.raises(ToolFailed, match="Division by zero"):
            evaluate(expression)
        return

    if max(abs(expected.numerator), expected.denominator) < 10 ** (MAX_DIGITS // 100):
        assert evaluate(expression) == expected


def _pieces(expression: str) -> list[str]:
    """Split numbers off; an exponent stays a plain number, as a fraction it gives floats."""
    pieces: list[str] = []
    for character in expression:
        number = character.isdigit() or character == "."
        if number and pieces and pieces[-1][0].isdigit():
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces
