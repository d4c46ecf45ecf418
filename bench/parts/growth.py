"""What a turn costs as its session grows: the history is read and sent anew each time."""

from bench import machine
from bench.load.generator import load
from bench.load.job import Job, Result
from bench.stage import ASK, Server, Stage
from bench.subjects.model_service import Pace
from bench.table import show

TURNS = (1, 10, 50, 100, 200)
TOKENS = 100
AT_ONCE = 4
COLUMNS = ("turn", "p50 ms", "gateway CPU ms", "PostgreSQL CPU ms", "history, messages", "errors")


def run(here: Stage) -> None:
    """A number of sessions of one length each, so that the measured turns last long enough."""
    turns, sessions = (TURNS[:2], 16) if here.quick else (TURNS, 100)
    here.pace(Pace(first_ms=0, gap_ms=0, tokens=TOKENS))
    with here.gateway() as gateway:
        first = here.chat("/api/v1/chat", ASK)
        rows = [_measured(here, gateway, (first,) * sessions, 1)]
        requests = _sessions(here, gateway, sessions)
        done = 1
        for turn in turns[1:]:
            _turns(here, gateway, requests, turn - 1 - done)
            rows.append(_measured(here, gateway, requests, turn))
            done = turn
    show(
        f"A turn of a growing session: mean of {sessions} sessions, {AT_ONCE} at once",
        COLUMNS,
        rows,
    )


def _sessions(here: Stage, gateway: Server, count: int) -> tuple[str, ...]:
    """Return a request for the next turn of each of `count` sessions that had one."""
    with here.client(gateway) as client:
        listed = client.get("/api/v1/chat/sessions", params={"limit": count}).json()["items"]
    return tuple(here.chat("/api/v1/chat", {**ASK, "session_id": s["id"]}) for s in listed)


def _turns(here: Stage, gateway: Server, requests: tuple[str, ...], turns: int) -> Result:
    job = Job(
        ports=(gateway.port,),
        requests=requests,
        at_once=AT_ONCE,
        seconds=3600,
        most=turns * len(requests),
        tokens=TOKENS,
    )
    return load(job, here.other_cores)


def _measured(
    here: Stage, gateway: Server, requests: tuple[str, ...], turn: int
) -> tuple[float, ...]:
    roots = (gateway.pid, here.engines.postgres_pid)
    before = [machine.cpu_s(pid) for pid in roots]
    result = _turns(here, gateway, requests, 1)
    used_s = [machine.cpu_s(pid) - was for pid, was in zip(roots, before, strict=True)]
    cpu_ms = (used * 1000 / len(requests) for used in used_s)
    return (turn, result.whole.p50_s * 1000, *cpu_ms, 2 * turn - 2, result.errors)
