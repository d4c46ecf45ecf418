"""Engines in trouble: what runs, readers and gateways make of it, and that it passes."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest

from redis import Redis, RedisError
from tests.e2e.fleet import Fleet, Member
from tests.e2e.house import ENDS, LIMIT_S, House, named
from tests.e2e.server import eventually, free_port
from tests.fault_proxy import FaultProxy, Mode


def flush(fleet: Fleet) -> None:
    with Redis.from_url(fleet.redis_url) as redis:
        redis.flushall()


def restart_valkey(fleet: Fleet) -> None:
    os.kill(fleet.pid_of("valkey"), signal.SIGKILL)
    eventually("Valkey is back", lambda: _pings(fleet))


def pause_valkey(fleet: Fleet) -> None:
    pid = fleet.pid_of("valkey")
    os.kill(pid, signal.SIGSTOP)
    eventually("a gateway notices", lambda: _component(fleet.up.url, "redis") != "ok")
    os.kill(pid, signal.SIGCONT)


def restart_postgres(fleet: Fleet) -> None:
    old = fleet.pid_of("postgres")
    os.kill(old, signal.SIGINT)

    def is_back() -> bool:
        with suppress(OSError, IndexError):
            return fleet.pid_of("postgres") != old and _is_ready(fleet.up.url)
        return False

    eventually("Postgres is back", is_back)


def _pings(fleet: Fleet) -> bool:
    with suppress(RedisError, OSError), Redis.from_url(fleet.redis_url) as redis:
        return bool(redis.ping())
    return False


def _is_ready(gateway: str) -> bool:
    return httpx.get(f"{gateway}/health/ready", trust_env=False).status_code == 200


def _component(gateway: str, name: str) -> str:
    health = httpx.get(f"{gateway}/health", timeout=LIMIT_S, trust_env=False).json()
    return str(health["components"][name]["status"])


TROUBLES = [flush, restart_valkey, pause_valkey, restart_postgres]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_run_and_its_readers_outlive_engines(
    house: House, model_control: httpx.Client, trouble: Callable[[Fleet], None]
) -> None:
    place = named(trouble.__name__)
    with (
        house.streaming(house.gateway(1), f"hold {place}") as stream,
        house.following(stream.run_id, at=house.gateway(2)) as remote,
    ):
        model_control.get(f"/arrived/{place}")

        trouble(house.fleet)
        model_control.post(f"/release/{place}")

        told = stream.rest()
        seen = remote.rest()
    durable = [event for event in house.story(stream.run_id) if "delta" not in event["type"]]
    assert told[-1]["type"] == "run.completed"
    assert [event for event in told if "delta" not in event["type"]] == durable
    assert [event for event in seen if "delta" not in event["type"]] == durable
    assert house.run(stream.run_id)["attempt"] == 1


@pytest.mark.parametrize("trouble", TROUBLES)
def test_everything_is_normal_again_without_a_restart(
    house: House, trouble: Callable[[Fleet], None]
) -> None:
    trouble(house.fleet)

    for gateway in house.fleet.gateways.values():
        eventually("it is ready", lambda at=gateway: house.is_ready(at))
        for component in ("postgres", "redis"):
            eventually(
                "it is well", lambda at=gateway, what=component: _component(at, what) == "ok"
            )
        answer = house.http.post(f"{gateway}/api/v1/chat", json={"message": "say on"}).json()
        assert answer["status"] == "completed"


@pytest.fixture(scope="module")
def behind(house: House) -> Iterator[tuple[str, FaultProxy, FaultProxy]]:
    """A gateway whose engines are behind proxies, the one of Postgres first."""
    database = house.fleet.database_url
    redis = house.fleet.redis_url
    sockets = re.search(r"host=(.*)", database), re.search(r"@(.*)", redis)
    assert sockets[0]
    assert sockets[1]
    with (
        FaultProxy(f"{sockets[0][1]}/.s.PGSQL.5432") as postgres,
        FaultProxy(sockets[1][1]) as valkey,
    ):
        data_dir = house.fleet.up.data_dir
        environ = {
            **house.fleet.up.environ,
            "DATABASE_URL": re.sub(r"@/(\w+).*", rf"@127.0.0.1:{postgres.port}/\1", database),
            "REDIS_URL": re.sub(r"unix://(.*)@.*", rf"redis://\1@127.0.0.1:{valkey.port}/0", redis),
            "POLYAGENT_DATABASE__STATEMENT_TIMEOUT_S": "2",
            "JWT_SECRET": (data_dir / "jwt.secret").read_text().strip(),
        }
        port = free_port()
        log = data_dir.with_name(f"{data_dir.name}.behind.out")
        member = Member("behind", ("serve", "--port", str(port)), environ, log)
        member.start()
        try:
            url = f"http://127.0.0.1:{port}"
            eventually("it is ready", lambda: house.is_ready(url))
            yield url, postgres, valkey
        finally:
            postgres.set("pass")
            valkey.set("pass")
            member.stop()
            log.unlink()


@pytest.mark.parametrize("mode", ["slow", "freeze", "refuse"])
def test_chat_goes_on_while_redis_does_not(
    house: House, behind: tuple[str, FaultProxy, FaultProxy], mode: Mode
) -> None:
    gateway, _, valkey = behind
    valkey.set(mode, delay_s=0.7)
    eventually("it notices", lambda: _component(gateway, "redis") != "ok")

    with house.streaming(gateway, "say a b c") as stream:
        told = stream.rest()
    valkey.set("pass")

    assert [event["text"] for event in told if event["type"] == "message.delta"] == [
        "a ",
        "b ",
        "c ",
    ]
    assert told[-1]["type"] == "run.completed"
    eventually("Redis is well again", lambda: _component(gateway, "redis") == "ok")


@pytest.mark.parametrize("mode", ["freeze", "refuse"])
def test_without_its_database_a_gateway_says_503_and_others_take_over(
    house: House,
    behind: tuple[str, FaultProxy, FaultProxy],
    model_control: httpx.Client,
    mode: Mode,
) -> None:
    gateway, postgres, _ = behind
    place = named(mode)
    with (
        house.streaming(gateway, f"hold {place}") as stream,
        house.following(stream.run_id) as watched,
    ):
        model_control.get(f"/arrived/{place}")

        postgres.set(mode)
        refused = house.http.post(f"{gateway}/api/v1/chat", json={"message": "say no"})
        eventually("another has it", lambda: house.run(stream.run_id)["attempt"] == 2)
        model_control.post(f"/release/{place}")
        seen = watched.rest()
        postgres.set("pass")
        told = stream.rest()

    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert [event["type"] for event in seen if event["type"] in ENDS] == ["run.completed"]
    assert "run.resumed" in [event["type"] for event in told]
    assert told[-1] == seen[-1]
    eventually("it is ready again", lambda: house.is_ready(gateway))
