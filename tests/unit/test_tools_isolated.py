"""The child process of the tools, with jobs of the tests' own."""

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import pytest

from polyagent.adapters.functions.isolated.parent import Isolated
from polyagent.adapters.functions.isolated.requests import Source
from polyagent.domain.errors import ToolFailed

LIMIT_S = 60
SERVE = """
import pathlib, sys, threading
from polyagent.adapters.functions.isolated.child import serve
from polyagent.domain.errors import ToolFailed

def refuse(request): raise ToolFailed("not " + request["what"])
def hog(request): return len(bytearray(600 * 1024**2))
def write(request): pathlib.Path(request["what"]).write_text("x")
def wait(request):
    print("waiting", flush=True)
    threading.Event().wait()

serve(globals()[sys.argv[1]], dict)
"""


async def child(job: str, what: str = "") -> Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVE, job), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={}
    )
    assert process.stdin
    process.stdin.write(json.dumps({"what": what}).encode() + b"\n")
    return process


async def said(process: Process) -> bytes:
    assert process.stdout
    async with asyncio.timeout(LIMIT_S):
        text = await process.stdout.read()
        await process.wait()
    return text


async def test_a_refusal_is_told() -> None:
    answer = json.loads(await said(await child("refuse", "today")))

    assert answer["error"] == "not today"


@pytest.mark.skipif(sys.platform != "linux", reason="no other system limits memory")
async def test_what_takes_too_much_memory_is_told() -> None:
    answer = json.loads(await said(await child("hog")))

    assert answer["error"] == "It is too large to be looked at here."


async def test_nothing_is_written(tmp_path: Path) -> None:
    text = await said(await child("write", f"{tmp_path}/file"))

    assert text == b""
    assert (tmp_path / "file").read_text() == ""


async def test_a_child_ends_with_its_parent() -> None:
    process = await child("wait")
    assert process.stdin
    assert process.stdout
    await process.stdout.readline()

    process.stdin.close()

    async with asyncio.timeout(LIMIT_S):
        assert await process.wait() == 1


async def test_a_child_that_is_cancelled_is_gone_when_the_caller_goes_on() -> None:
    isolated = Isolated()
    endless = Source(code="a<" * 100_000, language="cpp", filename=None)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await isolated(endless)

    small = Source(code="int f() { return 1; }", language="cpp", filename=None)
    assert (await isolated(small))["function_count"] == 1


async def test_a_child_that_breaks_is_a_failure() -> None:
    class Missing(Source, frozen=True, kw_only=True):
        MODULE = "polyagent.there_is_no_such_module"

    with pytest.raises(ToolFailed, match="cannot be read"):
        await Isolated()(Missing(code="", language=None, filename=None))
