"""One server for the tests that leave it whole; those that break it start their own."""

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.server import Up


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


@pytest.fixture(scope="session")
def up(model_service: str) -> Iterator[Up]:
    with Up(model_service) as server:
        yield server


@pytest.fixture(scope="session")
def token(up: Up) -> str:
    return up.token()


@pytest.fixture
def api(up: Up, token: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=up.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client
