"""The run engine over PostgreSQL, with several executors in one process that act as processes."""

import asyncio
from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.engine_machine import EngineMachine
from tests.grounds import postgres_ground

SETTINGS = settings(
    derandomize=True,
    max_examples=8,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_the_engine_keeps_its_promises(postgres_url: str) -> None:
    with asyncio.Runner() as runner:
        loop, ground = runner.get_loop(), partial(postgres_ground, postgres_url)

        class Machine(EngineMachine):
            def __init__(self) -> None:
                super().__init__(loop, ground)

        run_state_machine_as_test(Machine, settings=SETTINGS)
