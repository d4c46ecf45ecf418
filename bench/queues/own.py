"""The kind of tasks that the bench has, for POLYAGENT_APP."""

from bench.queues.note import Pen
from polyagent.app import App

app = App()
pen = Pen()


@app.task
async def note(n: int, wait_ms: int) -> None:
    await pen.do(n, wait_ms)
