"""What operators see."""

from dishka import Provider, Scope, provide

from polyagent.adapters.telemetry.metrics import PrometheusMeter
from polyagent.ports.telemetry import Exposition, Meter


class TelemetryProvider(Provider):
    scope = Scope.APP

    @provide
    def prometheus(self) -> PrometheusMeter:
        return PrometheusMeter()

    @provide
    def meter(self, prometheus: PrometheusMeter) -> Meter:
        return prometheus

    @provide
    def exposition(self, prometheus: PrometheusMeter) -> Exposition:
        return prometheus
