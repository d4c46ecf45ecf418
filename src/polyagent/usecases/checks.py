"""What several use cases ask of an input before they take it."""

from collections.abc import Iterable, Sequence

from polyagent.domain.account import Actor
from polyagent.domain.chat import ImagePart, Part
from polyagent.domain.documents.retrieval import DOCUMENT_SEARCH
from polyagent.domain.errors import (
    Fault,
    ModalityUnsupported,
    ModelServiceUnavailable,
    ModelUnknown,
    ToolUnknown,
)
from polyagent.domain.misfit import escaped
from polyagent.domain.model import ModelInfo
from polyagent.domain.response_format import SCHEMA_AT, JsonSchema, ResponseFormat
from polyagent.ports.models import Models
from polyagent.ports.schemas import Schemas
from polyagent.ports.tools import Tools


def require_tools(
    tools: Tools,
    names: Sequence[str],
    allowed: Sequence[str] | None = None,
    *,
    pointer: str = "#/tools/{n}",
) -> None:
    """Raise `ToolUnknown` for names that are no tools, or not among the `allowed` ones.

    `pointer` says where the `n`th name, `name`, was given.
    """
    known = {tool.name for tool in tools.list()}
    if allowed is not None:
        known &= set(allowed)
    faults = tuple(
        Fault(
            pointer.format(n=n, name=escaped(name)),
            f"There is no tool {name!r} here. There are: {', '.join(sorted(known))}.",
        )
        for n, name in enumerate(names)
        if name not in known
    )
    if faults:
        raise ToolUnknown(faults[0].detail, faults=faults)


def require_tool_scope(actor: Actor, name: str) -> None:
    """Raise as `Actor.require` does for a tool that reads what the actor's key is not for."""
    if name == DOCUMENT_SEARCH:
        actor.require("documents:read")


def usable_tools(actor: Actor, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tools that read nothing which the actor's key is not for."""
    if actor.may("documents:read"):
        return names
    return tuple(name for name in names if name != DOCUMENT_SEARCH)


def require_sight(parts: Iterable[Part], info: ModelInfo | None) -> None:
    """Raise `ModalityUnsupported` for images to a model that is known to take none."""
    images = any(isinstance(part, ImagePart) for part in parts)
    if images and info is not None and info.images is False:
        raise ModalityUnsupported(
            f"The model {info.name} takes no images: send text, or name another."
        )


async def model_info(
    models: Models, name: str | None, *, pointer: str | None = None
) -> ModelInfo | None:
    """Return what is known of a model, None while its service is away; `pointer`: where it was named.

    Raises `ModelUnknown`, `ModelServiceMissing`.
    """
    try:
        return await models.info(name)
    except ModelServiceUnavailable:
        return None
    except ModelUnknown as error:
        faults = (Fault(pointer, error.detail),) if pointer else ()
        raise ModelUnknown(error.detail, faults=faults) from error


def require_sound_form(schemas: Schemas, wanted: ResponseFormat | None) -> None:
    """Raise `Invalid` for a schema that no answer could be checked against."""
    if isinstance(wanted, JsonSchema):
        schemas.require_sound(wanted.json_schema.schema, SCHEMA_AT)
