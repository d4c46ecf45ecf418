"""What one process needs, without anything outside it."""

from dishka import Provider, Scope, provide

from polyagent.adapters.memory.access.failures import MemoryLoginFailures
from polyagent.adapters.memory.access.standing import MemoryStanding
from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.documents.blobs import MemoryBlobs
from polyagent.adapters.memory.documents.documents import MemoryIndexes
from polyagent.adapters.memory.documents.retrieval import MemoryRetrieval
from polyagent.adapters.memory.documents.vectors import MemoryVectors
from polyagent.adapters.memory.limits import MemoryPlaces, MemoryRates
from polyagent.adapters.memory.runs.answers import MemoryAnswers
from polyagent.adapters.memory.runs.backlog import MemoryBacklog
from polyagent.adapters.memory.runs.events import MemoryEvents
from polyagent.adapters.memory.runs.journal import MemoryJournal
from polyagent.adapters.memory.runs.runs import MemoryRuns
from polyagent.adapters.memory.runs.usage import MemoryUsageBook
from polyagent.adapters.memory.signals import MemorySignals
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.adapters.memory.tasks.journal import MemoryTaskBacklog, MemoryTaskJournal
from polyagent.adapters.memory.tickets import MemoryTickets
from polyagent.adapters.memory.upkeep import MemoryUpkeep
from polyagent.domain.caps import Caps
from polyagent.ports.answers import Answers
from polyagent.ports.clock import Clock
from polyagent.ports.documents.blobs import Blobs
from polyagent.ports.documents.documents import Indexes
from polyagent.ports.documents.retrieval import Retrieval
from polyagent.ports.documents.vectors import Vectors
from polyagent.ports.events import Events, LiveLogs
from polyagent.ports.failures import LoginFailures
from polyagent.ports.journal import Journal
from polyagent.ports.limits import Places, Rates
from polyagent.ports.queue import Backlog, Queue, TaskBacklog, TaskQueue
from polyagent.ports.runs import Runs
from polyagent.ports.signals import Signals
from polyagent.ports.standing import Standing
from polyagent.ports.store import Store
from polyagent.ports.tasks import TaskJournal
from polyagent.ports.tickets import Tickets
from polyagent.ports.upkeep import Upkeep
from polyagent.ports.usage import UsageBook
from polyagent.settings import Auth, Limits
from polyagent.settings import Queue as QueueSettings


class MemoryProvider(Provider):
    scope = Scope.APP

    @provide
    def state(self) -> State:
        return State()

    @provide
    def store(self, state: State, clock: Clock) -> Store:
        return MemoryStore(state, clock)

    @provide
    def standing(self, state: State, clock: Clock) -> Standing:
        return MemoryStanding(state, clock)

    @provide
    def runs(self, state: State, clock: Clock, limits: Limits) -> Runs:
        return MemoryRuns(state, clock, queued_runs=limits.queued_runs)

    @provide
    def queue(self, state: State) -> Queue:
        return state.queue

    @provide
    def backlog(self, state: State) -> Backlog:
        return MemoryBacklog(state)

    @provide
    def answers(self, state: State, clock: Clock) -> Answers:
        return MemoryAnswers(state, clock)

    @provide
    def journal(self, state: State, clock: Clock, limits: Limits) -> Journal:
        return MemoryJournal(state, clock, user_runs=limits.user_runs)

    @provide
    def upkeep(self, state: State, clock: Clock, auth: Auth, queue: QueueSettings) -> Upkeep:
        return MemoryUpkeep(
            state, clock, audit_keep_days=auth.audit_keep_days, task_keep_days=queue.keep_days
        )

    @provide
    def blobs(self) -> Blobs:
        return MemoryBlobs()

    @provide
    def indexes(self, state: State, clock: Clock) -> Indexes:
        return MemoryIndexes(state, clock)

    @provide
    def retrieval(self, state: State) -> Retrieval:
        return MemoryRetrieval(state)

    @provide
    def vectors(self, state: State, clock: Clock) -> Vectors:
        return MemoryVectors(state, clock)

    @provide
    def usage(self, state: State) -> UsageBook:
        return MemoryUsageBook(state)

    @provide
    def task_queue(self, state: State) -> TaskQueue:
        return state.task_queue

    @provide
    def task_journal(self, state: State, clock: Clock, caps: Caps) -> TaskJournal:
        return MemoryTaskJournal(state, clock, caps)

    @provide
    def task_backlog(self, state: State, clock: Clock) -> TaskBacklog:
        return MemoryTaskBacklog(state, clock)

    @provide
    def login_failures(self, clock: Clock) -> LoginFailures:
        return MemoryLoginFailures(clock)

    @provide
    def rates(self, clock: Clock) -> Rates:
        return MemoryRates(clock)

    @provide
    def places(self) -> Places:
        return MemoryPlaces()

    @provide
    def tickets(self, clock: Clock) -> Tickets:
        return MemoryTickets(clock)


class LiveLogsProvider(Provider):
    """The live logs of a process, whatever keeps its journal."""

    scope = Scope.APP

    @provide
    def live_logs(self, limits: Limits, clock: Clock) -> LiveLogs:
        return MemoryEvents(limits.live_log_s, clock)


class MemoryEventsProvider(Provider):
    """Live logs that nobody follows from another process."""

    scope = Scope.APP

    @provide
    def events(self, logs: LiveLogs) -> Events:
        return logs

    @provide
    def signals(self) -> Signals:
        return MemorySignals()


class ManualClockProvider(Provider):
    """For tests: time passes when they say so."""

    scope = Scope.APP

    @provide
    def manual(self) -> ManualClock:
        return ManualClock()

    @provide
    def clock(self, manual: ManualClock) -> Clock:
        return manual
