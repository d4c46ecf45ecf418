"""Numbers that are exact for as long as they can be: fractions, and floats from the first irrational step.

Every operation is bounded, so that no expression costs more than milliseconds.
"""

import math
import operator
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, Inexact
from fractions import Fraction

import msgspec

from polyagent.domain.errors import ToolFailed

Number = Fraction | float

MAX_DIGITS = 4_000
MAX_BITS = math.ceil(MAX_DIGITS * math.log2(10))
MAX_SAFE_INTEGER = 2**53
TOO_LARGE = f"The number has more than {MAX_DIGITS} digits, or is out of range."


class Operation(msgspec.Struct, frozen=True):
    """`most` None: any number of arguments from `least` on."""

    apply: Callable[..., Number]
    least: int = 1
    most: int | None = 1


def number(text: str) -> Fraction:
    """Return the number written as 12, 1_000, 0.5, .5 or 1e-3."""
    _, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent)) > MAX_DIGITS:
        raise ToolFailed(TOO_LARGE)
    return Fraction(Decimal(text))


def bounded(value: Number) -> Number:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ToolFailed(TOO_LARGE)
    elif _bits(value) > MAX_BITS:
        raise ToolFailed(TOO_LARGE)
    return value


def shown(value: Number) -> int | float | str:
    """Return a JSON number if a double holds exactly these digits, else the digits as a string.

    What has no end in decimals, or more than 100 of them, is rounded to the nearest double.
    """
    if value == int(value) and -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER:
        return int(value)
    if isinstance(value, float):
        return value
    return str(value.numerator) if value.denominator == 1 else _decimal(value)


def _decimal(value: Fraction) -> float | str:
    context = Context(prec=100)
    decimal = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    nearest = _nearest(value)
    if Decimal(repr(nearest)) == decimal:
        return nearest
    if not context.flags[Inexact]:
        return str(decimal)
    return nearest or f"{decimal:.17g}"


def _nearest(value: Fraction) -> float:
    """Return the double, 0.0 if there is none."""
    try:
        return float(value)
    except OverflowError:
        return 0.0


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, float) or isinstance(exponent, float) or exponent.denominator != 1:
        return math.pow(base, exponent)
    times = exponent.numerator
    if base == 0 and times < 0:
        raise ZeroDivisionError
    if _bits(base) == 1:  # -1, 0 and 1: parity says it all
        return Fraction(base.numerator ** (2 - times % 2 if times else 0))
    if (_bits(base) - 1) * abs(times) > MAX_BITS:
        raise ToolFailed(TOO_LARGE)
    return base**times


def _floor_divided(left: Number, right: Number) -> Number:
    return Fraction(left // right)


def _root(value: Number) -> Number:
    if isinstance(value, Fraction) and value >= 0:
        root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
        if root * root == value:
            return root
    return math.sqrt(value)


def _rounded(value: Number, digits: Number = Fraction(0)) -> Number:
    places = int(digits)
    if places != digits or abs(places) > MAX_DIGITS:
        raise ValueError
    return round(Fraction(value), places)


def _ln(value: Number) -> float:
    # whole numbers are not turned into a double first: they may be larger than any
    whole = isinstance(value, Fraction) and value.denominator == 1
    return math.log(int(value)) if whole else math.log(value)


def _log(value: Number, base: Number = Fraction(10)) -> float:
    whole = isinstance(value, Fraction) and value.denominator == 1
    if base == 10:
        return math.log10(int(value)) if whole else math.log10(value)
    return _ln(value) / _ln(base)


OPERATORS: Mapping[str, Callable[[Number, Number], Number]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": _floor_divided,
    "%": operator.mod,
    "**": _power,
}
FUNCTIONS: Mapping[str, Operation] = {
    "sqrt": Operation(_root),
    "abs": Operation(abs),
    "round": Operation(_rounded, 1, 2),
    "min": Operation(min, 1, None),
    "max": Operation(max, 1, None),
    "floor": Operation(lambda value: Fraction(math.floor(value))),
    "ceil": Operation(lambda value: Fraction(math.ceil(value))),
    "log": Operation(_log, 1, 2),
    "ln": Operation(_ln),
    "exp": Operation(math.exp),
    "sin": Operation(math.sin),
    "cos": Operation(math.cos),
    "tan": Operation(math.tan),
}
CONSTANTS: Mapping[str, Number] = {"pi": math.pi, "e": math.e}
