"""The run engine over memory, whatever happens in whatever order: thousands of steps in virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.engine_machine import EngineMachine
from tests.grounds import MemoryGround
from tests.virtual import VirtualLoop

SETTINGS = settings(
    derandomize=True,
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@asynccontextmanager
async def _memory() -> AsyncIterator[MemoryGround]:
    yield MemoryGround()


class _VirtualMachine(EngineMachine):
    def __init__(self) -> None:
        self._virtual = VirtualLoop()
        super().__init__(self._virtual, _memory)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self._virtual.close()


def test_the_engine_keeps_its_promises() -> None:
    run_state_machine_as_test(_VirtualMachine, settings=SETTINGS)
