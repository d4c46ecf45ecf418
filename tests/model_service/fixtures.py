"""The scripted model service of suites that start whole servers."""

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest


@pytest.fixture(scope="session")
def model_service() -> Iterator[str]:
    """The address of a scripted model service, as a process of its own, that refuses what strict ones do."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.model_service", "--strict"], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture(scope="session")
def model_control(model_service: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=model_service.removesuffix("/v1"), timeout=60) as client:
        yield client
