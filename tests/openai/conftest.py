import socket
from collections.abc import AsyncIterator

import pytest

from polyagent.ports.models import Models
from tests.model_service import ModelService
from tests.openai.caller import caller


@pytest.fixture
async def service() -> AsyncIterator[ModelService]:
    async with ModelService(strict=True) as service:
        yield service


@pytest.fixture
async def models(service: ModelService) -> AsyncIterator[Models]:
    async with caller(service.url) as models:
        yield models


@pytest.fixture
def nowhere() -> str:
    """An address that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
