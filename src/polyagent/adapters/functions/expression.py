"""Arithmetic expressions with Python's precedence, read and computed in one linear pass."""

import re
from typing import NamedTuple

from polyagent.adapters.functions.arithmetic import (
    CONSTANTS,
    FUNCTIONS,
    OPERATORS,
    TOO_LARGE,
    Number,
    Operation,
    bounded,
    number,
)
from polyagent.domain.errors import ToolFailed

MAX_DEPTH = 50

_AS_WRITTEN_BY_HAND = str.maketrans(
    {"\u00d7": "*", "\u00b7": "*", "\u00f7": "/", "\u2212": "-", "\u03c0": "pi"}
)
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<sign>\*\*|//|[-+*/%(),]))"
)


class _Token(NamedTuple):
    kind: str
    text: str


_END = _Token("end", "the end")


def evaluate(text: str) -> Number:
    """Raises `ToolFailed` for what is no expression, has no value or is too large."""
    try:
        return bounded(_Reader(_tokens(text)).whole())
    except ZeroDivisionError as error:
        raise ToolFailed("Division by zero.") from error
    except OverflowError as error:
        raise ToolFailed(TOO_LARGE) from error
    except ValueError as error:
        raise ToolFailed("A function was given a number that it is not defined for.") from error


def _tokens(text: str) -> list[_Token]:
    text = text.translate(_AS_WRITTEN_BY_HAND).strip()
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ToolFailed(f"Not understood: {text[at:].strip()[:20]!r}.")
        kind = found.lastgroup or ""
        tokens.append(_Token(kind, found[kind]))
        at = found.end()
    return [*tokens, _END]


class _Reader:
    """Recursive descent: a method per level of precedence, the loosest first."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Number:
        value = self._sum()
        if self._next is not _END:
            raise self._unexpected()
        return value

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self, *signs: str) -> str | None:
        if self._next.kind != "sign" or self._next.text not in signs:
            return None
        self._at += 1
        return self._tokens[self._at - 1].text

    def _expect(self, sign: str) -> None:
        if self._take(sign) is None:
            raise self._unexpected(sign)

    def _unexpected(self, wanted: str = "an operator") -> ToolFailed:
        return ToolFailed(f"Expected {wanted}, found {self._next.text[:20]!r}.")

    def _sum(self) -> Number:
        value = self._product()
        while sign := self._take("+", "-"):
            value = bounded(OPERATORS[sign](value, self._product()))
        return value

    def _product(self) -> Number:
        value = self._signed()
        while sign := self._take("*", "/", "//", "%"):
            value = bounded(OPERATORS[sign](value, self._signed()))
        return value

    def _signed(self) -> Number:
        """Read a signed power; every way to nest goes through here."""
        if self._depth == MAX_DEPTH:
            raise ToolFailed(f"The expression is nested more than {MAX_DEPTH} deep.")
        self._depth += 1
        sign = self._take("+", "-")
        value = self._signed() if sign else self._power()
        self._depth -= 1
        return -value if sign == "-" else value

    def _power(self) -> Number:
        base = self._atom()
        return bounded(OPERATORS["**"](base, self._signed())) if self._take("**") else base

    def _atom(self) -> Number:
        if self._take("("):
            value = self._sum()
            self._expect(")")
            return value
        kind, text = self._next
        if kind not in ("number", "name"):
            raise self._unexpected("a number")
        self._at += 1
        return bounded(number(text)) if kind == "number" else self._named(text)

    def _named(self, name: str) -> Number:
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name not in FUNCTIONS:
            known = ", ".join([*FUNCTIONS, *CONSTANTS])
            raise ToolFailed(f"Unknown name {name[:20]!r}; known are {known}.")
        return self._called(name, FUNCTIONS[name])

    def _called(self, name: str, function: Operation) -> Number:
        self._expect("(")
        arguments = [self._sum()]
        while self._take(","):
            arguments.append(self._sum())
        self._expect(")")
        most = len(arguments) if function.most is None else function.most
        if not function.least <= len(arguments) <= most:
            raise ToolFailed(f"{name} takes {function.least} to {most} numbers.")
        return bounded(function.apply(*arguments))
