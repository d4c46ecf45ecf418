"""What `polyagent doctor` finds."""

from typing import Literal, get_args

import msgspec

Level = Literal["ok", "warning", "problem"]
Subject = Literal[
    "settings",
    "machine",
    "data_directory",
    "server",
    "engines",
    "postgres",
    "redis",
    "documents",
    "model_service",
]
SUBJECTS: tuple[Subject, ...] = get_args(Subject)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at, in one line without secrets.

    `advice`: what to do about what is not ok, in one line; `statements`: what to run then, as it
    stands.
    """

    subject: Subject
    level: Level
    text: str
    advice: str | None = None
    statements: tuple[str, ...] = ()


def ok(subject: Subject, text: str) -> Finding:
    return Finding(subject=subject, level="ok", text=text)


def warning(
    subject: Subject, text: str, advice: str | None = None, statements: tuple[str, ...] = ()
) -> Finding:
    return Finding(
        subject=subject, level="warning", text=text, advice=advice, statements=statements
    )


def problem(
    subject: Subject, text: str, advice: str | None = None, statements: tuple[str, ...] = ()
) -> Finding:
    return Finding(
        subject=subject, level="problem", text=text, advice=advice, statements=statements
    )
