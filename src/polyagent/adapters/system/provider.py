"""What the operating system gives."""

from dishka import Provider, Scope, provide

from polyagent.adapters.system.clock import SystemClock
from polyagent.ports.clock import Clock


class SystemProvider(Provider):
    scope = Scope.APP

    @provide
    def clock(self) -> Clock:
        return SystemClock()
