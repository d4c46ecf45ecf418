"""JSON Schema, checked by jsonschema-rs. https://docs.rs/jsonschema

Of its ways to check only `is_valid` remembers what it has seen: with a recursive schema the others take
time that is exponential in the depth of the value.
"""

from typing import Any

import jsonschema_rs

from polyagent.domain.misfit import escaped
from polyagent.domain.response_format import DRAFTS, draft_of, extent, refused, require_bounded

MAX_CHECKS = 5_000_000  # places of a schema times those of a value: at worst about 0.5 s
MAX_EXPLAINED = 20_000
MAX_DETAIL = 300
GENERAL = "It does not fit the schema."
TOO_LARGE = "It is too large, or nested too deep, to be checked against the schema."

_PATTERNS = jsonschema_rs.RegexOptions(size_limit=65_536, dfa_size_limit=1_048_576)
_CLASSES: dict[str, type[jsonschema_rs.Validator]] = dict(
    zip(
        DRAFTS,
        (
            jsonschema_rs.Draft202012Validator,
            jsonschema_rs.Draft201909Validator,
            jsonschema_rs.Draft7Validator,
            jsonschema_rs.Draft6Validator,
        ),
        strict=True,
    )
)


class RustSchemas:
    def require_sound(self, schema: dict[str, Any], at: str) -> None:
        require_bounded(schema, at)
        try:
            _compiled(schema)
        except jsonschema_rs.ValidationError as error:
            raise refused(_pointer(at, error.instance_path), error.message[:MAX_DETAIL]) from error
        except ValueError as error:
            raise refused(at, str(error)[:MAX_DETAIL]) from error

    def misfit(self, schema: dict[str, Any], value: Any) -> str | None:
        found = extent(schema)
        checks = found.places * _size(value)
        if checks > MAX_CHECKS:
            return TOO_LARGE
        validator = _compiled(schema)
        try:
            if validator.is_valid(value):
                return None
        except ValueError:
            return TOO_LARGE
        if found.recursive or checks > MAX_EXPLAINED:
            return GENERAL
        return _explained(validator, value)


def _compiled(schema: dict[str, Any]) -> jsonschema_rs.Validator:
    kind = _CLASSES[draft_of(schema)]
    return kind(
        schema,
        pattern_options=_PATTERNS,
        retriever=_nothing,
        validate_formats=False,
        mask="The value",
    )


def _nothing(uri: str) -> Any:
    """Stand in the way of the library's own retriever, which reads files and the network."""
    raise ValueError(f"{uri} is outside of the schema")


def _explained(validator: jsonschema_rs.Validator, value: Any) -> str:
    try:
        validator.validate(value)
    except jsonschema_rs.ValidationError as error:
        return f"{_pointer('#', error.instance_path)}: {error.message[:MAX_DETAIL]}"
    return GENERAL


def _pointer(at: str, path: list[str | int]) -> str:
    return at + "".join(f"/{escaped(str(step))}" for step in path)


def _size(value: Any) -> int:
    """Count the values in a JSON value, itself among them."""
    count, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        count += 1
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return count
