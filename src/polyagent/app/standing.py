"""Settings on the engines of a data directory."""

from typing import Any

import msgspec

from polyagent.adapters.engines.endpoints import Endpoints
from polyagent.settings import Settings


def standing_on(settings: Settings, found: Endpoints) -> Settings:
    """Return settings that name the engines that were found, where they named none."""
    database = _set(settings.database, url=settings.database.url or found.database_url)
    redis = _set(settings.redis, url=settings.redis.url or found.redis_url)
    ai = settings.ai
    if not ai.each() and found.ai_url is not None:
        ai = _set(ai, url=found.ai_url, key=found.ai_key, model=ai.model or found.ai_model)
    return msgspec.structs.replace(settings, database=database, redis=redis, ai=ai)


def _set(section: Any, **values: Any) -> Any:
    return msgspec.structs.replace(section, **values)
