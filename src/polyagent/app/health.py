"""What the health of a process is made of."""

from dishka import Provider, Scope, provide

from polyagent.adapters.openai.client import ModelServiceProbe
from polyagent.adapters.postgres.probe import PostgresProbe
from polyagent.adapters.redis.probe import RedisProbe
from polyagent.usecases.health import CheckHealth


class HealthProvider(Provider):
    scope = Scope.APP

    @provide
    def health(
        self, postgres: PostgresProbe, redis: RedisProbe, model_service: ModelServiceProbe
    ) -> CheckHealth:
        return CheckHealth({"postgres": postgres, "redis": redis, "model_service": model_service})
