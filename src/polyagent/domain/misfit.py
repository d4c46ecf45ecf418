"""What does not fit a type, as an error that points at it."""

import re

import msgspec

from polyagent.domain.errors import Fault, Invalid, NotSupported

LATER = frozenset(
    {
        Fault("#/handoffs", "Object contains unknown field `handoffs`"),
        Fault("#/in_doubt", "Invalid enum value 'ask'"),
    }
)
"""What a later version will take; it is no mistake."""

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def misfit(error: msgspec.ValidationError) -> Invalid | NotSupported:
    fault = _fault(str(error))
    if fault in LATER:
        told = Fault(fault.pointer, "It comes in a later version: leave it out.")
        return NotSupported(f"{told.detail} ({told.pointer})", faults=(told,))
    return Invalid(f"{fault.detail} ({fault.pointer})", faults=(fault,))


def _fault(message: str) -> Fault:
    """Read msgspec's place, `$.tools[0]`, as a pointer, `#/tools/0`; of a key, `[...]`, it tells no name."""
    place = re.search(r" - at `(?:key in )?\$([^`]*)`$", message)
    detail = message[: place.start()] if place else message
    known = place.group(1).partition("[...]")[0] if place else ""
    steps = [name or index for name, index in _STEP.findall(known)]
    if field := re.search(r"(?:unknown|required) field `([^`]*)`", detail):
        steps.append(field.group(1))
    return Fault("#" + "".join(f"/{escaped(step)}" for step in steps), detail)


def escaped(step: str) -> str:
    """Return a step of a JSON Pointer. https://www.rfc-editor.org/rfc/rfc6901"""
    return step.replace("~", "~0").replace("/", "~1")
