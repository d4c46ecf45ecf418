"""What the doctor found, for people and for scripts."""

import sys
import textwrap
from collections.abc import Iterator, Sequence
from shutil import get_terminal_size
from typing import Any

import msgspec
import rich_click as click

from polyagent import __version__
from polyagent.configuration.sources import Values
from polyagent.configuration.wording import masked, shown
from polyagent.domain.finding import SUBJECTS, Finding
from polyagent.domain.health import Component, Health

COLORS = {"ok": "green", "warning": "yellow", "problem": "red"}
LEVEL, SUBJECT = 9, 16
NARROWEST = 40


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """Return them by what they are about, each kind in the order in which it was found."""
    return sorted(findings, key=lambda finding: SUBJECTS.index(finding.subject))


def written(values: Values) -> list[dict[str, Any]]:
    """Return what is set otherwise than by default, and by whom."""
    return [
        {"key": key, "value": masked(key, given.value), "origin": given.origin}
        for key, given in values.items()
        if not given.is_default
    ]


def as_json(findings: Sequence[Finding], values: Values) -> bytes:
    """Return one JSON object on one line."""
    levels = [finding.level for finding in findings]
    told = {
        "ok": "problem" not in levels,
        "version": __version__,
        "problems": levels.count("problem"),
        "warnings": levels.count("warning"),
        "settings": written(values),
        "findings": findings,
    }
    return msgspec.json.encode(told)


def as_text(findings: Sequence[Finding], values: Values) -> Iterator[str]:
    for setting in written(values):
        value = shown(setting["key"], setting["value"])
        yield f"{setting['key']}: {value} ({setting['origin']})"
    if values:
        yield ""
    for finding in findings:
        yield from _told(finding)
    yield ""
    yield _verdict([finding.level for finding in findings])


def of_health(health: Health) -> Iterator[Finding]:
    """Tell what another server says of itself to everybody."""
    yield Finding(subject="server", level="ok", text=f"PolyAgent {health.version} answers")
    for name, component in health.components.items():
        subject = next((known for known in SUBJECTS if known == name), "server")
        text = f"{component.status}: {', '.join(_facts(component))}".removesuffix(": ")
        if subject != name:
            text = f"{name} {text}"
        level = {"ok": "ok", "degraded": "warning"}.get(component.status, "problem")
        yield msgspec.convert(
            {"subject": subject, "level": level, "text": text, "advice": component.detail}, Finding
        )


def _facts(component: Component) -> Iterator[str]:
    for name, value in component.facts.items():
        plain = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        yield f"{name} {plain}"
    if component.latency_ms is not None:
        yield f"{component.latency_ms:.1f} ms"


def _told(finding: Finding) -> Iterator[str]:
    subject = finding.subject.replace("_", " ")
    first, *rest = _wrapped(finding.text)
    level = click.style(f"{finding.level:{LEVEL}}", fg=COLORS[finding.level])
    yield f"{level}{subject:{SUBJECT}}{first}"
    margin = " " * (LEVEL + SUBJECT)
    yield from (f"{margin}{line}" for line in rest)
    if finding.advice:
        first, *rest = _wrapped(finding.advice, less=len("-> "))
        yield f"{margin}-> {first}"
        yield from (f"{margin}   {line}" for line in rest)
    yield from finding.statements


def _wrapped(text: str, less: int = 0) -> list[str]:
    """Fit a line into the terminal; elsewhere it stays one, for those who search."""
    if not sys.stdout.isatty():
        return [text]
    width = max(NARROWEST, get_terminal_size().columns) - LEVEL - SUBJECT - less
    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _verdict(levels: Sequence[str]) -> str:
    problems, warnings = levels.count("problem"), levels.count("warning")
    if not problems and not warnings:
        return click.style("All is well.", fg="green", bold=True)
    text = f"{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}."
    return click.style(text, fg="red" if problems else "yellow", bold=True)


def _counted(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
