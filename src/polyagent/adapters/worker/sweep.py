from polyagent.ports.queue import Backlog, Queue

PAGE = 1000


async def sweep(queue: Queue, backlog: Backlog) -> None:
    """Put back what the queue lost: a page of the rows that could be claimed, all of them if it lost all.

    A single one was lost on the way to its claim, and had had its turn, unless it is new. Raises
    `Unavailable`.
    """
    walk = await queue.begin_sweep()
    if walk is None:
        return
    after = walk.after
    while True:
        entries, after = await backlog.page(after, PAGE)
        due = [entry for entry in entries if walk.is_rebuild or entry.delay_s <= 0]
        for head in (False, True):
            lost = [e for e in due if head == (not walk.is_rebuild and not e.is_new)]
            await queue.put(lost, head=head)
        if after == 0 or not walk.is_rebuild:
            break
    if after != walk.after:
        await queue.end_sweep(after)
