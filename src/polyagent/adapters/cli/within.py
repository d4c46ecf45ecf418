"""Looking at things that may hang."""

import queue
import threading
import time
from collections.abc import Callable, Iterator

from polyagent.domain.finding import Finding, problem

Tell = Callable[[Finding], None]
Told = queue.SimpleQueue[Finding | BaseException | None]


def within(limit_s: float, look: Callable[[Tell], None]) -> tuple[list[Finding], bool]:
    """Return what `look` tells within the limit, and whether it still hangs then, in a thread.

    Names that are looked up and disks over a network can keep a thread for longer than any deadline.
    Raises what `look` raises.
    """
    told: Told = queue.SimpleQueue()

    def work() -> None:
        try:
            look(told.put)
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            told.put(error)
        told.put(None)

    threading.Thread(target=work, daemon=True).start()
    findings: list[Finding] = []
    try:
        for finding in _arriving(told, limit_s):
            findings.append(finding)  # noqa: PERF402 - what came before an error counts
    except queue.Empty:
        text = f"something did not answer within {limit_s:.0f} seconds"
        return [*findings, problem("machine", text)], True
    return findings, False


def _arriving(told: Told, limit_s: float) -> Iterator[Finding]:
    """Raises `queue.Empty` at the end of the limit."""
    until = time.monotonic() + limit_s
    while (item := told.get(timeout=max(0.0, until - time.monotonic()))) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item
