from typing import Any, Protocol


class Schemas(Protocol):
    """JSON Schema. Time is linear in a text that a pattern looks at, and nothing is ever fetched."""

    def require_sound(self, schema: dict[str, Any], at: str) -> None:
        """Raise `Invalid` for what is no schema, or none that is bounded; `at` is the pointer to it."""

    def misfit(self, schema: dict[str, Any], value: Any) -> str | None:
        """Say for a model what of `value`, a JSON value, does not fit a sound `schema`; None: it fits.

        A value that is too large to be checked does not fit.
        """
