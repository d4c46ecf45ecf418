"""dishka providers of the settings' sections and of the use cases."""

from dishka import Provider, Scope, from_context, provide

from polyagent.domain.account import LoginPolicy
from polyagent.domain.caps import Caps
from polyagent.domain.documents.document import DocumentPolicy
from polyagent.domain.image import ImageLimits
from polyagent.domain.run import RunDefaults
from polyagent.domain.task import TaskDefaults
from polyagent.domain.webhook import WebhookPolicy
from polyagent.settings import (
    Ai,
    Auth,
    Database,
    Documents,
    Limits,
    Queue,
    Redis,
    Server,
    Settings,
    Tools,
    Webhooks,
)
from polyagent.usecases.accounts import ManageAccounts
from polyagent.usecases.agents import ManageAgents
from polyagent.usecases.answers import AnswerOnce
from polyagent.usecases.api_keys import ManageApiKeys
from polyagent.usecases.audit import Audit
from polyagent.usecases.authenticate import Authenticate
from polyagent.usecases.chat import SendChat
from polyagent.usecases.completions import FindModels, SendCompletion
from polyagent.usecases.deliver_webhook import DeliverWebhook
from polyagent.usecases.documents.embed import EmbedDocuments
from polyagent.usecases.documents.ingest import IngestDocument
from polyagent.usecases.documents.manage import ManageDocuments
from polyagent.usecases.documents.passage_search import PassageSearch
from polyagent.usecases.documents.search import FindDocuments
from polyagent.usecases.documents.sweep_blobs import SweepBlobs
from polyagent.usecases.execute_run import ExecuteRun
from polyagent.usecases.fire_schedules import FireSchedules
from polyagent.usecases.follow_run import FollowRun
from polyagent.usecases.login import LogIn, LogOut, RefreshLogin
from polyagent.usecases.oversight import Oversight
from polyagent.usecases.profile import ManageProfile
from polyagent.usecases.runs import ManageRuns
from polyagent.usecases.schedules import ManageSchedules
from polyagent.usecases.sessions import ManageSessions
from polyagent.usecases.tasks import ManageTasks
from polyagent.usecases.tickets import ManageTickets
from polyagent.usecases.tools import UseTools
from polyagent.usecases.trust import Trust
from polyagent.usecases.usage import ReadUsage
from polyagent.usecases.verify_password import PasswordCheck
from polyagent.usecases.webhooks import ManageWebhooks
from polyagent.usecases.welcome import WelcomeStranger


class SettingsProvider(Provider):
    """Hands each adapter its own section."""

    scope = Scope.APP
    settings = from_context(Settings)

    @provide
    def server(self, settings: Settings) -> Server:
        return settings.server

    @provide
    def database(self, settings: Settings) -> Database:
        return settings.database

    @provide
    def redis(self, settings: Settings) -> Redis:
        return settings.redis

    @provide
    def ai(self, settings: Settings) -> Ai:
        return settings.ai

    @provide
    def auth(self, settings: Settings) -> Auth:
        return settings.auth

    @provide
    def tools(self, settings: Settings) -> Tools:
        return settings.tools

    @provide
    def limits(self, settings: Settings) -> Limits:
        return settings.limits

    @provide
    def queue(self, settings: Settings) -> Queue:
        return settings.queue

    @provide
    def webhooks(self, settings: Settings) -> Webhooks:
        return settings.webhooks

    @provide
    def documents(self, settings: Settings) -> Documents:
        return settings.documents

    @provide
    def caps(self, queue: Queue) -> Caps:
        return Caps(kinds=queue.kind_tasks, user=queue.user_tasks)


class UseCaseProvider(Provider):
    scope = Scope.APP

    password_check = provide(PasswordCheck)
    log_in = provide(LogIn)
    refresh_login = provide(RefreshLogin)
    log_out = provide(LogOut)
    trust = provide(Trust)
    audit = provide(Audit)
    welcome = provide(WelcomeStranger)
    profile = provide(ManageProfile)
    api_keys = provide(ManageApiKeys)
    authenticate = provide(Authenticate)
    accounts = provide(ManageAccounts)
    agents = provide(ManageAgents)
    sessions = provide(ManageSessions)
    chat = provide(SendChat)
    complete = provide(SendCompletion)
    models = provide(FindModels)
    oversight = provide(Oversight)
    runs = provide(ManageRuns)
    tasks = provide(ManageTasks)
    schedules = provide(ManageSchedules)
    fire = provide(FireSchedules)
    webhooks = provide(ManageWebhooks)
    deliver = provide(DeliverWebhook)
    follow = provide(FollowRun)
    tools = provide(UseTools)
    tickets = provide(ManageTickets)
    execute = provide(ExecuteRun)
    answer_once = provide(AnswerOnce)
    usage = provide(ReadUsage)
    documents = provide(ManageDocuments)
    ingest = provide(IngestDocument)
    sweep_blobs = provide(SweepBlobs)
    find_documents = provide(FindDocuments)
    embed = provide(EmbedDocuments)
    passage_search = provide(PassageSearch)

    @provide
    def login_policy(self, auth: Auth) -> LoginPolicy:
        return LoginPolicy(
            registration=auth.registration,
            refresh_lifetime_s=auth.refresh_lifetime_s,
            refresh_idle_s=auth.refresh_idle_s,
            refresh_grace_s=auth.refresh_grace_s,
        )

    @provide
    def defaults(self, limits: Limits) -> RunDefaults:
        return RunDefaults(
            max_steps=limits.max_steps,
            max_output_tokens=limits.max_output_tokens,
            timeout_s=limits.run_timeout_s,
            budget=limits.budget,
        )

    @provide
    def task_defaults(self, queue: Queue, limits: Limits) -> TaskDefaults:
        return TaskDefaults(
            max_attempts=queue.max_attempts,
            timeout_s=queue.timeout_s,
            queued_tasks=limits.queued_tasks,
            schedules=limits.user_schedules,
        )

    @provide
    def webhook_policy(self, webhooks: Webhooks, limits: Limits) -> WebhookPolicy:
        return WebhookPolicy(
            timeout_s=webhooks.timeout_s,
            retry_delays_s=webhooks.retry_delays_s,
            most=limits.user_webhooks,
        )

    @provide
    def document_policy(self, documents: Documents) -> DocumentPolicy:
        return DocumentPolicy(
            max_upload_bytes=documents.max_upload_bytes, user_bytes=documents.user_bytes
        )

    @provide
    def images(self, limits: Limits) -> ImageLimits:
        return ImageLimits(
            count=limits.images,
            bytes_each=limits.image_bytes,
            total_bytes=limits.images_bytes,
            fetch_s=limits.image_fetch_s,
        )
