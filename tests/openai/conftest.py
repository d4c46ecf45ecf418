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
