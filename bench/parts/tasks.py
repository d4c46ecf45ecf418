"""What our queue of tasks costs and promises, beside others from PyPI that do the same work.

All do it on the same PostgreSQL and Valkey, in the same run, one after the other.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from bench import machine
from bench.queues import order, rates, trouble
from bench.queues.others import OTHERS
from bench.queues.ours import Ours
from bench.queues.rival import Rival
from bench.queues.trial import Trial, urls_of
from bench.stage import Stage
from bench.table import Cell, say, show

Measure = Callable[[Trial], Awaitable[Sequence[Cell]]]


class Table(msgspec.Struct, frozen=True):
    title: str
    columns: Sequence[str]
    measure: Measure


TABLES = (
    Table("Tasks: rates", rates.RATES, rates.rates),
    Table("Tasks: an idle worker, and 20 tasks a second", rates.IDLE, rates.idle),
    Table("Tasks: who waits behind 10,000 of one user, 4 at once", order.COLUMNS, order.measure),
    Table("Tasks: kill -9 of one of two workers", trouble.KILLED, trouble.killed),
    Table("Tasks: FLUSHALL", trouble.FLUSHED, trouble.flushed),
)


def run(here: Stage) -> None:
    rivals: list[Rival] = [Ours(), *OTHERS]
    for table in TABLES:
        rows = [_row(here, rival, table) for rival in rivals]
        show(table.title, ("queue", *table.columns), rows)


def _row(here: Stage, rival: Rival, table: Table) -> Sequence[Cell]:
    cells = _measured(here, rival, table.measure)
    return [rival.name, *cells, *[""] * (len(table.columns) - len(cells))]


def _measured(here: Stage, rival: Rival, measure: Measure) -> Sequence[Cell]:
    async def measured() -> Sequence[Cell]:
        await rival.open(urls_of(here))
        try:
            await rival.clear()
            return await measure(Trial(here, rival))
        finally:
            await rival.clear()
            await rival.close()

    with machine.on(here.other_cores):
        try:
            return asyncio.run(measured())
        except (RuntimeError, TimeoutError) as error:
            say(f"{rival.name}: {error!r}; its worker: {_log(here, rival)}")
            return ()


def _log(here: Stage, rival: Rival) -> str:
    file = here.directory / f"worker-{rival.name}.log"
    return file.read_text()[-2000:] if file.exists() else "-"
