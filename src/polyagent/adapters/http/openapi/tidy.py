"""JSON Schema as msgspec writes it, told as OpenAPI 3.1 and makers of clients have it.

https://spec.openapis.org/oas/v3.1.1.html#schema-object
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

Schema = dict[str, Any]

SCHEMAS = "#/components/schemas/"
NULL: Schema = {"type": "null"}
LISTS = ("anyOf", "oneOf")

_PAGE = re.compile(r"Page_(?:\w+\.)*(\w+)_")
_NAMES_A_TIME = re.compile(r"at|\w+_at")
_WORDS = {"None": "null", "UNSET": "absent"}


def page_names(text: str) -> str:
    """Call `Page[Agent]`, however it is written in a reference, `AgentPage`."""
    return _PAGE.sub(r"\1Page", text)


def tidied(value: Any, name: str = "") -> Any:
    """Return a schema, the value of a keyword or of the property `name`, in fewer words."""
    if isinstance(value, list):
        return [tidied(item) for item in value]
    if not isinstance(value, dict):
        return value
    schema = {key: tidied(item, key) for key, item in value.items() if key != "default"}
    if "default" in value:
        schema["default"] = value["default"]
    schema = _nullable(_const(schema))
    if "array" in _types(schema):
        schema.setdefault("items", {})  # some makers of clients know no list without
    if _NAMES_A_TIME.fullmatch(name) and "string" in _types(schema):
        schema.setdefault("format", "date-time")
    return schema


def in_words_of_clients(text: str) -> str:
    """Return a docstring of a type without Python's words."""
    text = " ".join(text.split())
    for ours, theirs in _WORDS.items():
        text = re.sub(rf"\b{ours}\b", theirs, text)
    return text


def without_null(schema: Schema) -> Schema:
    """Return the schema of a parameter, which is absent where it has no value."""
    for key in LISTS:
        if NULL in schema.get(key, ()):
            rest = {k: v for k, v in schema.items() if k != key}
            (only,) = [each for each in schema[key] if each != NULL]
            return {**only, **rest}
    if isinstance(schema.get("type"), list):
        (only,) = [each for each in schema["type"] if each != "null"]
        schema = {**schema, "type": only}
    if "enum" in schema:
        schema = {**schema, "enum": [each for each in schema["enum"] if each is not None]}
    return schema


def or_null(schema: Schema) -> Schema:
    """Return the schema of what may be null too."""
    if NULL in schema.get("anyOf", ()) or "null" in _types(schema):
        return schema
    nullable: Schema = tidied({"anyOf": [schema, NULL]})
    return nullable


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return a schema whose references lead to components of other names."""
    if isinstance(value, str) and value.startswith(SCHEMAS):
        name = value.removeprefix(SCHEMAS)
        return SCHEMAS + names.get(name, name)
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    if isinstance(value, dict):
        return {key: renamed(item, names) for key, item in value.items()}
    return value


def references(value: Any) -> set[str]:
    """Return the names of the components that a schema leads to."""
    if isinstance(value, dict):
        own = {value["$ref"].removeprefix(SCHEMAS)} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def _types(schema: Schema) -> Collection[str]:
    found = schema.get("type", ())
    return (found,) if isinstance(found, str) else found if isinstance(found, list) else ()


def _const(schema: Schema) -> Schema:
    enum = schema.get("enum")
    if not isinstance(enum, list) or "type" in schema:
        return schema
    if len(enum) == 1:
        return {"type": "string", "const": enum[0], **_without(schema, "enum")}
    return {"type": "string", **schema}


def _nullable(schema: Schema) -> Schema:
    """Say of one plain type or null `type: [.., "null"]`; what is nested in a union is part of it."""
    options = schema.get("anyOf")
    if not isinstance(options, list) or NULL not in options or len(options) != 2:
        return schema
    (option,) = [each for each in options if each != NULL]
    rest = _without(schema, "anyOf")
    if isinstance(option.get("type"), str):
        found = {**option, "type": [option["type"], "null"], **rest}
        return {**found, "enum": [*found["enum"], None]} if "enum" in found else found
    if "anyOf" in option:
        return {**option, "anyOf": [*option["anyOf"], NULL], **rest}
    return schema


def _without(schema: Schema, key: str) -> Schema:
    return {name: value for name, value in schema.items() if name != key}
