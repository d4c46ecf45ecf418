"""A run's events for a script: one JSON object a line."""

from typing import Any

import msgspec
import rich_click as click

from polyagent.adapters.cli.exits import Failed


class Lines:
    def show(self, event: dict[str, Any]) -> None:
        """Raises `Failed` for the end of a run that did not complete."""
        click.echo(msgspec.json.encode(event))
        if event.get("path"):
            return
        match event:
            case {"type": "run.failed", "code": code, "detail": detail}:
                raise Failed(f"{detail} ({code})")
            case {"type": "run.cancelled"}:
                raise Failed("The run was cancelled.")

    def note(self, text: str) -> None:
        """A script reads events, and nothing else."""

    def close(self) -> None: ...
