"""Measures what PolyAgent costs: `python -m bench [--quick] [PART ...]`. Linux only."""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import conditions
from bench.parts import (
    accounts,
    beats,
    capacity,
    chat,
    context,
    documents,
    edge,
    front,
    growth,
    ingest,
    memory,
    profile,
    relevance,
    tasks,
    vectors,
)
from bench.stage import Stage, stage
from bench.table import say

PARTS: dict[str, Callable[[Stage], None]] = {
    "chat": chat.run,
    "front": front.run,
    "memory": memory.run,
    "growth": growth.run,
    "context": context.run,
    "documents": documents.run,
    "half-a-million": documents.run_many,
    "relevance": relevance.run,
    "vectors": vectors.run,
    "many-vectors": vectors.run_many,
    "ingest": ingest.run,
    "capacity": capacity.run,
    "beats": beats.run,
    "edge": edge.run,
    "accounts": accounts.run,
    "tasks": tasks.run,
    "profile": profile.run,
}
ASKED_FOR_ONLY = {"profile", "half-a-million", "many-vectors"}

HELP = f"{', '.join(PARTS)}; else all but {', '.join(sorted(ASKED_FOR_ONLY))}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=HELP)
    parser.add_argument("--quick", action="store_true", help="a minute, for a first look")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    wanted = options.parts or [part for part in PARTS if part not in ASKED_FOR_ONLY]
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="polyagent-bench-") as directory:
        Path(directory).chmod(0o711)  # for root the engines run under an account of their own
        with stage(Path(directory), quick=options.quick) as here:
            conditions.show(here.engines, load_before)
            for part in wanted:
                PARTS[part](here)
    say("")


if __name__ == "__main__":
    main()
