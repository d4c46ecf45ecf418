from polyagent.domain.queue import Entry, Sweep
from polyagent.ports.queue import Backlog, Queue

PAGE = 1000


async def sweep(queue: Queue, backlog: Backlog) -> None:
    """Put back what the queue lost: a page of the rows that could be claimed, all of them if it lost all.

    Raises `Unavailable`.
    """
    walk = await queue.begin_sweep()
    if walk is None:
        return
    after = walk.after
    while True:
        entries, after = await backlog.page(after, PAGE)
        for head in (False, True):
            await queue.put([e for e in entries if _had_turn(e, walk) == head], head=head)
        if after == 0 or not walk.is_rebuild:
            break
    if after != walk.after:
        await queue.end_sweep(after)


def _had_turn(entry: Entry, walk: Sweep) -> bool:
    """A single one was lost on the way to its claim, unless it is new, or was too far off when it was enqueued."""
    return not (walk.is_rebuild or entry.is_new or entry.delay_s > 0)
