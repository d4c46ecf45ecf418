"""Structured logs: a JSON object a line, or lines for people."""

import logging
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from polyagent.adapters.telemetry.redaction import redacted
from polyagent.settings import Log

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}

# Below a warning the first two tell whole addresses, with what people search for in them; the third
# tells each of its plugins at every start.
QUIET = ("httpx", "httpcore", "alembic.runtime.plugins")

# What others said, who may quote what people and models said
QUOTES = ("said",)
WITHHELD = "[withheld: log.bodies]"

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
_IN_LINE = {**_CONTROLS, 10: "\\n", 13: "\\r", 9: "\\t"}
_IN_TRACEBACK = {code: text for code, text in _CONTROLS.items() if code not in (9, 10)}


class _Sink:
    """Writes lines. A log that cannot be written (disk full, pipe closed) ends nobody's request."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self.name = name
        self._stream = stream

    def write(self, line: str) -> None:
        with suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = write


def configure_logging(settings: Log, stream: TextIO) -> None:
    """Send the logs of this process to `stream`, those of libraries that use `logging` too."""
    console = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    level = LEVELS[settings.level]
    shared = [*_shared(), *(() if settings.bodies else (_withhold,)), _redact]
    rendering = _for_people(colors=stream.isatty()) if console else _for_machines()

    def sink(name: str = "polyagent", *_: object) -> _Sink:
        return _Sink(name, stream)

    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=sink,
    )
    _route_stdlib(level, shared, rendering, stream)


def configure_library_logging() -> None:
    """Hand our logs to `logging`, where the program that we are a part of decides; unless it did so already."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.format_exc_info,
            _withhold,
            _redact,
            _escape,
            structlog.processors.KeyValueRenderer(key_order=["event"], repr_native_str=False),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]


def _for_machines() -> list[Processor]:
    return [structlog.processors.JSONRenderer()]


def _for_people(*, colors: bool) -> list[Processor]:
    plain = structlog.dev.plain_traceback
    return [_escape, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]


def _route_stdlib(
    level: int, shared: list[Processor], rendering: list[Processor], stream: TextIO
) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for talker in QUIET:
        logging.getLogger(talker).setLevel(max(level, logging.WARNING))


def _withhold(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: WITHHELD if key in QUOTES and value else value for key, value in event.items()}


def _redact(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: redacted(value, key) for key, value in event.items()}


def _escape(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep each event on its own line, and tracebacks indented below it; JSON does this by itself."""
    for key, value in event.items():
        if not isinstance(value, str):
            continue
        if key == "exception":
            event[key] = value.translate(_IN_TRACEBACK).replace("\n", "\n  ")
        else:
            event[key] = value.translate(_IN_LINE)
    return event
