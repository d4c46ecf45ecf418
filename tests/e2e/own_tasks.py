"""Kinds of tasks that leave a witness: a line in a file for each time that one is done."""

import asyncio
import os
from contextlib import suppress

from polyagent.app import App

PATH = "POLYAGENT_TEST_WITNESS"

app = App()


@app.task
async def step(n: int, wait_s: float = 0.02) -> int:
    await asyncio.sleep(wait_s)
    _witness(n)
    return n


@app.task(max_attempts=2)
async def leaves(n: int) -> None:
    _witness(n)
    os._exit(1)


@app.task(max_attempts=2, timeout_s=0.2)
async def deaf(n: int) -> None:
    _witness(n)
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


def _witness(n: int) -> None:
    file = os.open(os.environ[PATH], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{n}\n".encode())
    os.close(file)
