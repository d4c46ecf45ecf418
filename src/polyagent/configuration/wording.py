"""How settings are told to people: what a value is, without its secrets, and what it may be."""

import re
from typing import Any

import yaml
from msgspec import inspect

SECRETS = frozenset(
    {
        *("ai.key", "ai.services.key", "server.metrics_token"),
        *("documents.embeddings.key", "documents.rerank.key"),
        *("auth.jwt_secret", "auth.jwt_secret_previous"),
        *("auth.sealing_secret", "auth.sealing_secret_previous"),
    }
)
HOLD_KEYS = ("ai.services", "documents.embeddings", "documents.rerank")
MASK = "***"
MAX_SHOWN = 80

_LOGIN = re.compile(r"^((?:[a-z][a-z0-9+.-]*://)?[^:@/]*:)[^/].*@", re.IGNORECASE | re.DOTALL)
_PARAMETER = re.compile(r"((?:password|passwd|secret|token|key)=)[^&\s]+", re.IGNORECASE)


def masked(key: str, value: Any) -> Any:
    """Return the value with what is secret in it replaced: all of a secret, the password of an address."""
    if isinstance(value, list | tuple):
        return [masked(key, item) for item in value]
    if isinstance(value, dict):
        return {name: masked(f"{key}.{name}", item) for name, item in value.items()}
    if value is None:
        return None
    if key in SECRETS or (key in HOLD_KEYS and isinstance(value, str)):
        return MASK
    if not isinstance(value, str):
        return value
    return _PARAMETER.sub(rf"\1{MASK}", _LOGIN.sub(rf"\1{MASK}@", value))


def shown(key: str, value: Any) -> str:
    """Return the masked value on one line."""
    safe = masked(key, value)
    if safe is None or isinstance(safe, bool):
        return {None: "null", True: "true", False: "false"}[safe]
    text = repr(safe)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def is_list(hint: Any) -> bool:
    return isinstance(_bare(hint), inspect.VarTupleType)


def is_map(hint: Any) -> bool:
    kind = _bare(hint)
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return any(isinstance(each, inspect.DictType | inspect.StructType) for each in kinds)


def _bare(hint: Any) -> inspect.Type:
    kind = inspect.type_info(hint)
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def allowed(hint: Any) -> str:
    """Say what a value of the type may be: "a whole number from 1 to 256"."""
    return _allowed(inspect.type_info(hint))


def _allowed(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(extra_json_schema={"description": str(description)}):
            return description
        case inspect.UnionType(types=types):
            return " or ".join(map(_allowed, types))
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.VarTupleType(item_type=inspect.Metadata() as item):
            return f"a list, each {_allowed(item)}"
        case inspect.VarTupleType():
            return "a list of texts"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType(ge=least, le=most):
            return f"a whole number from {least} to {most}"
        case inspect.FloatType(gt=limit, le=most):
            return f"a number above {limit}, at most {most}"
        case inspect.NoneType():
            return "null"
        case _:
            return "text"


def yaml_fault(error: Exception) -> str:
    """Say on one line what is wrong with a text that is no YAML, and where."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"line {mark.line + 1}: {problem}" if isinstance(mark, yaml.Mark) else str(problem)
