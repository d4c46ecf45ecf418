"""The kinds of tasks that are built in, and an operator's own."""

from collections.abc import Iterable

from dishka import Provider, Scope, provide

from polyagent import settings
from polyagent.adapters.kinds.chat import ChatTasks
from polyagent.adapters.kinds.ingest import IngestTasks
from polyagent.adapters.kinds.registry import KnownKinds
from polyagent.adapters.kinds.tool import ToolTasks
from polyagent.adapters.kinds.webhook import WebhookTasks
from polyagent.ports.kinds import Kind, Kinds
from polyagent.ports.tools import Tools
from polyagent.usecases.chat import SendChat
from polyagent.usecases.deliver_webhook import DeliverWebhook
from polyagent.usecases.documents.ingest import IngestDocument
from polyagent.usecases.follow_run import FollowRun
from polyagent.usecases.runs import ManageRuns

BUILTIN = frozenset({"chat", "tool", "webhook", "ingest"})


class KindsProvider(Provider):
    scope = Scope.APP

    def __init__(self, own: Iterable[Kind] = ()) -> None:
        """Raises `settings.SettingsError` for an own kind whose name is taken."""
        super().__init__()
        self._own = [*own]
        taken = set(BUILTIN)
        for kind in self._own:
            if kind.name in taken:
                raise settings.SettingsError(
                    f"There are two kinds of tasks named {kind.name}: give your own another name."
                )
            taken.add(kind.name)

    @provide
    def kinds(
        self,
        send: SendChat,
        follow: FollowRun,
        runs: ManageRuns,
        tools: Tools,
        deliver: DeliverWebhook,
        ingest: IngestDocument,
    ) -> Kinds:
        chat, webhook = ChatTasks(send, follow, runs), WebhookTasks(deliver)
        documents = IngestTasks(ingest)
        return KnownKinds([chat, ToolTasks(tools), webhook, documents, *self._own])
