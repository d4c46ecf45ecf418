"""Holds other engines against the contract of ours: `python -m bench.engines`. 1 if one fulfils it all."""

import argparse
import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import structlog
from redis.asyncio import Redis
from tests.contract import test_engine as contract
from tests.contract.engine import Engine
from tests.contract.engines import durable_engine

from bench.engines.lent import Unsupported
from bench.engines.pgqueuer_engine import PgQueuerEngine
from bench.engines.saq_engine import SaqEngine
from bench.queues.pgqueuer_queue import installed
from bench.stage import Stage, stage
from bench.table import say, show

LIMIT_S = 20.0
OURS = "polyagent"

Clause = Callable[[Engine], Coroutine[Any, Any, None]]
Opens = Callable[[Stage], AbstractAsyncContextManager[Engine]]


@asynccontextmanager
async def _ours(here: Stage) -> AsyncIterator[Engine]:
    async with durable_engine(here.engines.database_url, here.engines.redis_url) as engine:
        yield engine


@asynccontextmanager
async def _pgqueuer(here: Stage) -> AsyncIterator[Engine]:
    url = here.engines.database_url
    async with asyncpg.create_pool(url, min_size=1, max_size=6) as pool:
        await installed(pool)
        await pool.execute("TRUNCATE pgqueuer, pgqueuer_log")
        yield PgQueuerEngine(url, pool)


@asynccontextmanager
async def _saq(here: Stage) -> AsyncIterator[Engine]:
    url = here.engines.redis_url
    async with Redis.from_url(url) as redis:
        await redis.flushall()
    yield SaqEngine(url)


ENGINES: dict[str, Opens] = {OURS: _ours, "pgqueuer": _pgqueuer, "saq": _saq}


def main() -> int:
    logging.disable(logging.CRITICAL)  # what they say of what fails
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asked = argparse.ArgumentParser(prog="bench.engines", description=__doc__)
    asked.add_argument("words", nargs="*", help="only clauses with such words in them")
    wanted = asked.parse_args().words
    with tempfile.TemporaryDirectory(prefix="polyagent-engines-") as directory:
        Path(directory).chmod(0o711)
        with stage(Path(directory), quick=True) as here:
            rows = [
                _row(here, words, clause)
                for words, clause in _clauses()
                if not wanted or any(each in words for each in wanted)
            ]
    show("Clauses of the contract", ("clause", *ENGINES), rows)
    passing = [name for n, name in enumerate(ENGINES, 1) if all(row[n] == "yes" for row in rows)]
    others = [name for name in passing if name != OURS]
    if wanted:
        return 0
    for name in others:
        say(f"\n{name.upper()} FULFILS EVERY CLAUSE: use it instead of ours.")
    return 1 if others or OURS not in passing else 0


def _clauses() -> Iterator[tuple[str, Clause]]:
    """Yield each clause by its words; one with parameters is held once for each."""
    for name, clause in vars(contract).items():
        if not name.startswith("test_"):
            continue
        marks = getattr(clause, "pytestmark", [])
        parametrized = [mark for mark in marks if mark.name == "parametrize"]
        words = name.removeprefix("test_").replace("_", " ")
        for mark in parametrized:
            argument, values = mark.args
            for value in values:
                yield f"{words} ({value!r})", partial(clause, **{argument: value})
        if not parametrized:
            yield words, clause


def _row(here: Stage, words: str, clause: Clause) -> Sequence[str]:
    row = [words, *(_held(here, opens, clause) for opens in ENGINES.values())]
    say(" | ".join(row))
    return row


def _held(here: Stage, opens: Opens, clause: Clause) -> str:
    """Try twice: a clause may be missed by chance."""
    found = _tried(here, opens, clause)
    return found if found == "yes" else _tried(here, opens, clause)


def _tried(here: Stage, opens: Opens, clause: Clause) -> str:
    async def hold() -> None:
        async with asyncio.timeout(LIMIT_S), opens(here) as engine:
            await clause(engine)

    try:
        asyncio.run(hold())
    except Unsupported as error:
        return f"has no {error}"
    except AssertionError:
        return "no"
    except TimeoutError:
        return "never"
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001  # whatever it does
        return f"no: {type(error).__name__}"
    return "yes"


if __name__ == "__main__":
    raise SystemExit(main())
