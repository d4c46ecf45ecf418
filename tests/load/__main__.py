"""Loads real gateways, prints what came of it, and says whether a promise was broken. Linux only.

python -m tests.load [--seconds N] [--readers N] [PART ...]
"""

import argparse
import os
import resource
import signal
from collections.abc import Callable, Iterator

import msgspec
from bench import conditions, machine
from bench.stage import Stage
from bench.table import Cell, say, show

from tests.load import hall as hall_of
from tests.load import sloths, verdict
from tests.load.ground import ground, standing
from tests.load.hall import Hall
from tests.load.overload import Plan, overload

BOUNDED = {"limits__queued_runs": "10", "limits__requests": "100"}


class Size(msgspec.Struct, frozen=True):
    seconds: float
    readers: int
    slow: int


def plans(seconds: float) -> Iterator[Plan]:
    peak_s = min(10.0, seconds)
    some = Plan(name="", seconds=seconds, peak_s=peak_s, limits=BOUNDED)
    replace = msgspec.structs.replace
    yield replace(some, name="arrivals, one gateway")
    yield replace(some, name="arrivals, two gateways", gateways=2)
    yield replace(some, name="clients that wait as told", manner="honest", users=4)
    yield replace(some, name="arrivals, limits as they come", limits={})


def overloads(here: Stage, size: Size) -> list[str]:
    found, tables = [], []
    for plan in plans(size.seconds):
        with ground(here, gateways=plan.gateways, users=plan.users, settings=plan.settings) as it:
            figures = overload(it, plan)
        tables.append([*verdict.rows(figures)])
        say(f"- {plan.name}: {figures.goodput:.1f} of {figures.peak:.1f} runs/s")
        found += [
            f"{plan.name}: {what}" for what in (*verdict.broken(figures), *verdict.slowed(figures))
        ]
    columns = ("", *(plan.name for plan in plans(size.seconds)))
    show("Ten times what 8 places for runs can do", columns, side_by_side(tables))
    return found


def halls(readers: int) -> Iterator[Hall]:
    one = Hall(name="of one run", readers=readers, runs=1)
    many = Hall(name="of many runs", readers=readers, runs=max(2, readers // 10))
    for hall in (one, many):
        yield hall
        yield msgspec.structs.replace(hall, name=f"{hall.name}, two gateways", gateways=2)


def readers(here: Stage, size: Size) -> list[str]:
    found, tables = [], []
    for hall in halls(size.readers):
        with ground(here, gateways=hall.gateways, users=0, settings=hall.settings) as it:
            heard = hall_of.heard(it, hall)
        tables.append([*hall_of.rows(heard)])
        say(f"- {hall.name}: {heard.whole} of {hall.readers} saw everything")
        found += [f"{hall.name}: {what}" for what in hall_of.broken(heard)]
        found += [f"{hall.name}: {what}" for what in hall_of.slowed(heard)]
    columns = ("", *(hall.name for hall in halls(size.readers)))
    show("Readers of events", columns, side_by_side(tables))
    return found


def slow(here: Stage, size: Size) -> list[str]:
    found, rows = [], []
    with ground(here, gateways=1, users=0, settings=sloths.SETTINGS) as it:
        for sloth in sloths.SLOTHS:
            result = sloths.tried(it, sloth, size.slow)
            rows.append(sloths.row(result))
            found += [f"{sloth.name}: {what}" for what in sloths.broken(result)]
    show("Slow, silent and senseless clients", sloths.COLUMNS, rows)
    return found


def side_by_side(tables: list[list[tuple[str, Cell]]]) -> Iterator[tuple[Cell, ...]]:
    for lines in zip(*tables, strict=True):
        yield lines[0][0], *(value for _, value in lines)


PARTS: dict[str, Callable[[Stage, Size], list[str]]] = {
    "overload": overloads,
    "readers": readers,
    "slow": slow,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seconds", type=float, default=60, help="of each overload")
    parser.add_argument("--readers", type=int, default=2000)
    parser.add_argument("--slow", type=int, default=1100, help="connections of each kind")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its processes must end, too
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    load_before = os.getloadavg()[0]
    found: list[str] = []
    with standing(quick=False) as here:
        conditions.show(here.engines, load_before)
        for part in asked.parts or PARTS:
            with machine.on(here.other_cores):
                found += PARTS[part](here, Size(asked.seconds, asked.readers, asked.slow))
    for what in found:
        say(f"BROKEN: {what}")
    say(f"\npromises broken: {len(found)}")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
