from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from polyagent.domain.health import Component
from polyagent.domain.model import ModelDelta, ModelInfo, Prompt


class Models(Protocol):
    """The model services that are configured."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[ModelDelta, None]:
        """Call the model; the last delta is `Finished`. Texts hold neither NUL nor lone surrogates.

        Raises before the first delta `ModelServiceMissing`, `ModelServiceUnavailable` (after the
        retries, from every service that may stand in), `ModelUnknown`, `ModalityUnsupported`,
        `ContextExceeded`, `ToolsRefused`, `ModelServiceRefused`, and after it `ModelServiceBroken`.
        No detail holds what a service said. Closing the iterator ends the call.
        """

    async def info(self, model: str | None) -> ModelInfo:
        """Return what is known of a model (None: the default), asking the service at most once a while.

        Raises `ModelUnknown` if a service that lists its models lists no such one,
        `ModelServiceMissing`, `ModelServiceUnavailable`.
        """

    async def list(self) -> Sequence[ModelInfo]:
        """Raises `ModelServiceMissing`, `ModelServiceUnavailable`."""

    async def health(self) -> Component: ...
