"""What a service says of its models. https://platform.openai.com/docs/api-reference/models/list"""

from collections.abc import Iterator
from typing import Any

import msgspec

from polyagent.domain.errors import ModelServiceUnavailable

_WINDOWS = ("context_length", "max_model_len", "max_context_length", "context_window", "n_ctx")
_TRAINED = "n_ctx_train"  # of a model that may be served with less
_WIDTHS = ("n_embd", "embedding_length", "dimensions")


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What a service says of one model, None where it does not; `width` is of its embeddings."""

    window_tokens: int | None = None
    width: int | None = None
    images: bool | None = None


class Listing(msgspec.Struct, frozen=True):
    """`models` by name, None where the service does not list; `problem`: why it would not."""

    models: dict[str, Listed] | None
    read_at: float
    problem: str | None = None

    def has(self, name: str) -> bool:
        """Return whether it may be asked for; a service that lists nothing takes any name."""
        return not self.models or name in self.models or f"{name}:latest" in self.models

    def of(self, name: str) -> Listed:
        known = self.models or {}
        return known.get(name) or known.get(f"{name}:latest") or Listed()


def listed(body: bytes) -> dict[str, Listed]:
    """Raises `ModelServiceUnavailable` for what is no JSON; odd shapes hold no models."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelServiceUnavailable("The model service lists its models in no JSON.") from error
    if isinstance(told, dict):
        told = told.get("data") or told.get("models")
    return dict(_models(told if isinstance(told, list) else []))


def _models(told: list[Any]) -> Iterator[tuple[str, Listed]]:
    for model in told:
        if isinstance(model, dict) and isinstance(model.get("id"), str):
            meta = model["meta"] if isinstance(model.get("meta"), dict) else {}
            yield (
                model["id"],
                Listed(
                    window_tokens=_size(model, _WINDOWS) or _size(meta, (*_WINDOWS, _TRAINED)),
                    width=_size(model, _WIDTHS) or _size(meta, _WIDTHS),
                    images=_sight(model),
                ),
            )


def _size(fields: dict[str, Any], names: tuple[str, ...]) -> int | None:
    told = (fields.get(name) for name in names)
    return next((size for size in told if type(size) is int and size > 0), None)


def _sight(model: dict[str, Any]) -> bool | None:
    """Read what OpenRouter and Mistral say of it; who lists no kinds of input says nothing."""
    kinds = _within(model, "architecture", "input_modalities")
    if isinstance(kinds, list):
        return "image" in kinds
    vision = _within(model, "capabilities", "vision")
    return vision if isinstance(vision, bool) else None


def _within(model: dict[str, Any], group: str, field: str) -> Any:
    fields = model.get(group)
    return fields.get(field) if isinstance(fields, dict) else None
