"""Reading the payload of a task."""

from typing import Any, TypeVar

import msgspec

from polyagent.domain.misfit import misfit

T = TypeVar("T")


def payload_of(payload: dict[str, Any], kind: type[T]) -> T:
    """Raises `Invalid` that points into the payload."""
    try:
        return msgspec.convert(payload, kind)
    except msgspec.ValidationError as error:
        raise misfit(error) from error
