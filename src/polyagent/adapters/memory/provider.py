"""What one process needs, without anything outside it."""

from dishka import Provider, Scope, provide

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.events import MemoryEvents
from polyagent.adapters.memory.journal import MemoryJournal
from polyagent.adapters.memory.runs import MemoryRuns
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.ports.clock import Clock
from polyagent.ports.events import Events
from polyagent.ports.journal import Journal
from polyagent.ports.runs import Runs
from polyagent.ports.store import Store
from polyagent.settings import Limits


class MemoryProvider(Provider):
    scope = Scope.APP

    @provide
    def state(self) -> State:
        return State()

    @provide
    def store(self, state: State, clock: Clock) -> Store:
        return MemoryStore(state, clock)

    @provide
    def runs(self, state: State, clock: Clock) -> Runs:
        return MemoryRuns(state, clock)

    @provide
    def journal(self, state: State, clock: Clock) -> Journal:
        return MemoryJournal(state, clock)


class MemoryEventsProvider(Provider):
    """The live log of a process, whatever keeps its journal."""

    scope = Scope.APP

    @provide
    def events(self, limits: Limits, clock: Clock) -> Events:
        return MemoryEvents(limits.live_log_s, clock)


class ManualClockProvider(Provider):
    """For tests: time passes when they say so."""

    scope = Scope.APP

    @provide
    def manual(self) -> ManualClock:
        return ManualClock()

    @provide
    def clock(self, manual: ManualClock) -> Clock:
        return manual
