"""A long drill. It prints its seed and its plan, what happened, and whether a promise was broken.

python -m tests.chaos [--seed N]... [--runs N] [--short] [--plan] [--keep DIR]
"""

import argparse
import random
import signal
import sys
import time
from functools import reduce
from itertools import islice
from operator import add
from pathlib import Path

import msgspec

from tests.chaos.drill import Outcome, drill
from tests.chaos.plan import LONG, SHORT, Size, faults

SHOWN = 40
MOST_COMPLAINTS = 50


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="may be given again")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--plan", action="store_true", help="show the plan and do nothing")
    parser.add_argument("--keep", type=Path, help="a new directory for data, logs and outcome")
    asked = parser.parse_args()
    size = SHORT if asked.short else LONG
    if asked.runs:
        size = msgspec.structs.replace(size, runs=asked.runs)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its processes must end, too
    seeds = asked.seed or [random.randrange(2**31)]
    for seed in seeds:
        _show_plan(seed, size)
    if asked.plan:
        return 0
    outcomes = [_drilled(seed, size, asked.keep) for seed in seeds]
    if len(outcomes) > 1:
        _say(f"\nseeds {seeds} together\n{reduce(add, outcomes).table}")
    return 1 if any(outcome.complaints for outcome in outcomes) else 0


def _show_plan(seed: int, size: Size) -> None:
    _say(f"seed {seed}: {size}")
    for fault in islice(faults(seed, size), size.faults or SHOWN):
        _say(f"  {fault}")


def _drilled(seed: int, size: Size, keep: Path | None) -> Outcome:
    place = None
    if keep:
        place = keep / str(seed)
        place.mkdir(mode=0o755, parents=True)
    began = time.monotonic()
    outcome = drill(seed, size, place)
    _say(f"\nseed {seed}, {time.monotonic() - began:.0f} s\n{outcome.table}")
    found = outcome.complaints
    for complaint in found[:MOST_COMPLAINTS]:
        _say(f"BROKEN: {complaint}")
    _say(f"promises broken: {len(found)}")
    return outcome


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
