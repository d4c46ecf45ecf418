"""The executor of this process."""

from dishka import Provider, Scope, provide

from polyagent.adapters.worker.embedder import Embedder
from polyagent.adapters.worker.executor import FAREWELL_S, LocalExecutor
from polyagent.adapters.worker.housekeeper import Housekeeper
from polyagent.adapters.worker.scheduler import Scheduler
from polyagent.adapters.worker.tasks.runner import TaskRunner
from polyagent.ports.clock import Clock
from polyagent.ports.events import Events
from polyagent.ports.executor import Executor
from polyagent.ports.journal import Journal
from polyagent.ports.kinds import Kinds
from polyagent.ports.limits import Places
from polyagent.ports.queue import Backlog, Queue, TaskBacklog, TaskQueue
from polyagent.ports.signals import Signals
from polyagent.ports.tasks import TaskJournal
from polyagent.ports.telemetry import Meter
from polyagent.ports.upkeep import Upkeep
from polyagent.settings import Limits, Server
from polyagent.settings import Queue as QueueSettings
from polyagent.usecases.documents.embed import EmbedDocuments
from polyagent.usecases.documents.sweep_blobs import SweepBlobs
from polyagent.usecases.execute_run import ExecuteRun
from polyagent.usecases.fire_schedules import FireSchedules


class WorkerProvider(Provider):
    scope = Scope.APP

    @provide
    def local(
        self,
        execute: ExecuteRun,
        journal: Journal,
        events: Events,
        signals: Signals,
        clock: Clock,
        queue: Queue,
        backlog: Backlog,
        places: Places,
        limits: Limits,
        server: Server,
    ) -> LocalExecutor:
        return LocalExecutor(
            execute,
            journal,
            events,
            signals,
            clock,
            queue,
            backlog,
            places,
            user_runs=limits.user_runs,
            concurrent_runs=limits.concurrent_runs,
            drain_s=max(server.drain_s - FAREWELL_S, server.drain_s / 2),  # then come the farewells
        )

    @provide
    def executor(self, local: LocalExecutor) -> Executor:
        return local

    @provide
    def task_runner(
        self,
        journal: TaskJournal,
        queue: TaskQueue,
        backlog: TaskBacklog,
        kinds: Kinds,
        host: LocalExecutor,
        signals: Signals,
        meter: Meter,
        settings: QueueSettings,
    ) -> TaskRunner:
        return TaskRunner(journal, queue, backlog, kinds, host, signals, meter, settings)

    @provide
    def housekeeper(self, upkeep: Upkeep, sweep_blobs: SweepBlobs, clock: Clock) -> Housekeeper:
        return Housekeeper(upkeep, sweep_blobs, clock)

    @provide
    def embedder(self, embed: EmbedDocuments, clock: Clock) -> Embedder:
        return Embedder(embed, clock)

    @provide
    def scheduler(self, fire: FireSchedules, clock: Clock) -> Scheduler:
        return Scheduler(fire, clock)
