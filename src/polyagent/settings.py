"""Every setting with its default and what it may be; `polyagent.configuration` fills them in."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from polyagent.domain.documents.embedding import MAX_WIDTH
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.usage import Price


class SettingsError(PolyAgentError):
    """The configuration is wrong; `detail` is one line and holds no secret."""

    code = "settings_wrong"


class Section(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False
): ...


Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Bytes = Annotated[int, Meta(ge=1, le=2**40)]
Port = Annotated[int, Meta(ge=0, le=65_535)]
DatabaseUrl = Annotated[
    str, Meta(pattern=r"^postgres(ql)?://", description="postgres://user:password@host:5432/name")
]
RedisUrl = Annotated[
    str,
    Meta(pattern=r"^(rediss?|unix)://", description="redis://host:6379/0, rediss:// or unix://"),
]
AiUrl = Annotated[
    str, Meta(pattern=r"^(https?://[^/\s]|unix:/)", description="an http:// or https:// address")
]
HttpUrl = Annotated[
    str, Meta(pattern=r"^https?://[^/\s]", description="an http:// or https:// address")
]
HostName = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^:/\s@,*\[\]]+)$",
        description="a host's name, without a port",
    ),
]
Origin = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9+.-]*://[^/\s?#@,*]+$",
        description="an origin as browsers write it: https://app.example.com",
    ),
]
Storage = Annotated[
    str,
    Meta(
        pattern=r"^(file:(///.+)?|(s3|gs|az)://[^/\s].*)$",
        description="file:, file:///a/directory, s3://bucket, gs://bucket or az://account/container",
    ),
]
ChunkTokens = Annotated[int, Meta(ge=50, le=8000)]
OverlapTokens = Annotated[int, Meta(ge=0, le=1000)]
Address = Annotated[
    str,
    Meta(
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^:/\s@,*\[\]]+):[0-9]{1,5}$",
        description="host:port: 127.0.0.1:9464",
    ),
]
Network = Annotated[
    str, Meta(pattern=r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$", description="a network: 10.0.0.0/8")
]


class Server(Section, frozen=True):
    host: str = "127.0.0.1"
    port: Port = 8080
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    hosts: tuple[HostName, ...] = ()
    cors_origins: tuple[Origin, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    read_timeout: Seconds = 30
    write_timeout: Seconds = 30
    chat_wait_s: Seconds = 300
    drain_s: Seconds = 10
    max_body_bytes: Bytes = 1_048_576
    max_chat_bytes: Bytes = 4_194_304
    metrics_token: str | None = None


class Database(Section, frozen=True):
    """`max_open_conns` counts per process; `max_lifetime` is in seconds."""

    url: DatabaseUrl | None = None
    replica_url: DatabaseUrl | None = None
    direct_url: DatabaseUrl | None = None
    max_open_conns: Annotated[int, Meta(ge=2, le=10_000)] = 20
    max_idle_conns: Annotated[int, Meta(ge=0, le=10_000)] = 5
    max_lifetime: Seconds = 1800
    connect_timeout_s: Seconds = 5
    statement_timeout_s: Seconds = 30
    lock_timeout_s: Seconds = 5


class Redis(Section, frozen=True):
    url: RedisUrl | None = None
    pool_size: Count = 50
    max_retries: Annotated[int, Meta(ge=0, le=10)] = 1
    timeout_s: Seconds = 0.5


Window = Annotated[int, Meta(ge=256, le=100_000_000)]


class AiService(Section, frozen=True):
    """One more model service: key, model and window are its own; what else it leaves out is as `ai` says."""

    url: AiUrl
    key: str | None = None
    model: str | None = None
    context_tokens: Window | None = None
    first_byte_timeout_s: Seconds | UnsetType = UNSET
    max_concurrency: Count | UnsetType = UNSET
    proxy: HttpUrl | UnsetType | None = UNSET
    ca_file: str | UnsetType | None = UNSET


AiServices = Annotated[
    tuple[AiService, ...],
    Meta(
        description="a list of {url, key, model, context_tokens, first_byte_timeout_s, "
        "max_concurrency, proxy, ca_file}, of which only url is required"
    ),
]
Prices = Annotated[
    dict[str, Price],
    Meta(description="a map of model names to {input, output, cached_input}, numbers from 0"),
]


class Ai(Section, frozen=True):
    """`url` is http(s)://... with or without /v1, or unix:/path/to.sock for the embedded model."""

    url: AiUrl | None = None
    key: str | None = None
    model: str | None = None
    context_tokens: Window | None = None
    services: AiServices = ()
    prices: Prices = msgspec.field(default_factory=dict)
    probe_s: Seconds = 240
    connect_timeout_s: Seconds = 5
    first_byte_timeout_s: Seconds = 60
    idle_timeout_s: Seconds = 60
    total_timeout_s: Seconds = 600
    max_concurrency: Count = 64
    retries: Annotated[int, Meta(ge=0, le=10)] = 2
    proxy: HttpUrl | None = None
    ca_file: str | None = None

    def each(self) -> tuple["Ai", ...]:
        """Return the services in the order in which they are tried, each as if it were the only one."""
        first = () if self.url is None else (msgspec.structs.replace(self, services=()),)
        return (*first, *map(self._of, self.services))

    def _of(self, service: AiService) -> "Ai":
        told = {k: v for k, v in msgspec.structs.asdict(service).items() if v is not UNSET}
        return msgspec.structs.replace(self, services=(), **told)


class Issuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who else's tokens are good. `roles`: from what `role_claim` says to a role of ours."""

    issuer: Annotated[str, Meta(min_length=1)]
    audience: Annotated[str, Meta(min_length=1)]
    jwks_url: HttpUrl
    role_claim: str | None = None
    roles: dict[str, Literal["viewer", "member", "admin"]] = {}


SealingSecret = Annotated[str, Meta(min_length=32)]


class Auth(Section, frozen=True):
    jwt_secret: str | None = None
    jwt_secret_previous: tuple[str, ...] = ()
    jwt_secret_file: str | None = None
    sealing_secret: SealingSecret | None = None
    sealing_secret_previous: tuple[SealingSecret, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    access_token_s: Annotated[int, Meta(ge=60, le=86_400)] = 600
    leeway_s: Annotated[int, Meta(ge=0, le=300)] = 60
    refresh_lifetime_s: Annotated[float, Meta(ge=60, le=31_536_000)] = 2_592_000
    refresh_idle_s: Annotated[float, Meta(ge=60, le=31_536_000)] = 604_800
    refresh_grace_s: Annotated[float, Meta(ge=0, le=60)] = 0
    registration: Literal["open", "closed"] = "closed"
    audit_keep_days: Annotated[int, Meta(ge=30, le=3650)] = 365


class Log(Section, frozen=True):
    level: Literal["debug", "info", "warn", "warning", "error", "critical"] = "info"
    format: Literal["json", "console", "auto"] = "auto"
    bodies: bool = False


class EmbeddingService(Section, frozen=True):
    """`url` None: the service of `ai`, with its key; the model `local`: the one that comes with the extra
    `embeddings`, which heeds none of the rest but `query_timeout_s`. `width` is asked of the model, None: its own.

    `concurrency` counts requests at once per process.
    """

    model: Annotated[str, Meta(min_length=1)]
    url: AiUrl | None = None
    key: str | None = None
    width: Annotated[int, Meta(ge=1, le=MAX_WIDTH)] | None = None
    query_prefix: str = ""
    passage_prefix: str = ""
    query_type: str | None = None
    passage_type: str | None = None
    batch: Annotated[int, Meta(ge=1, le=2048)] = 32
    concurrency: Annotated[int, Meta(ge=1, le=64)] = 2
    timeout_s: Seconds = 60
    query_timeout_s: Seconds = 2

    @property
    def is_local(self) -> bool:
        return self.model == "local" and self.url is None


class RerankService(Section, frozen=True):
    """`url` is what `/rerank` comes behind; `most` passages are told to it."""

    model: Annotated[str, Meta(min_length=1)]
    url: AiUrl
    key: str | None = None
    most: Annotated[int, Meta(ge=1, le=1000)] = 50
    timeout_s: Seconds = 2


Embedded = Annotated[
    EmbeddingService | None,
    Meta(
        description="null or {model, url, key, width, query_prefix, passage_prefix, query_type, "
        "passage_type, batch, concurrency, timeout_s, query_timeout_s}, of which only model is required"
    ),
]
Reranked = Annotated[
    RerankService | None,
    Meta(description="null or {model, url, key, most, timeout_s}; model and url are required"),
]


class Documents(Section, frozen=True):
    max_upload_bytes: Bytes = 33_554_432
    user_bytes: Bytes = 10_737_418_240
    storage: Storage = "file:"
    chunk_tokens: ChunkTokens = 400
    chunk_overlap_tokens: OverlapTokens = 60
    embeddings: Embedded = None
    rerank: Reranked = None


class Tools(Section, frozen=True):
    """`git_repositories` are directories; a repository in or below one of them may be read.

    `allow_private` is for what users and models ask of the server; what is configured needs none.
    """

    searxng_url: HttpUrl | None = None
    git_repositories: tuple[str, ...] = ()
    timeout_s: Seconds = 30
    max_result_bytes: Bytes = 262_144
    proxy: HttpUrl | None = None
    allow_private: tuple[str, ...] = ()


KindCaps = Annotated[
    dict[str, Count], Meta(description="a map of kinds of tasks to numbers from 1")
]


class Queue(Section, frozen=True):
    """`concurrency` counts per process, `kind_tasks` and `user_tasks` in all processes."""

    concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 20
    kinds: tuple[str, ...] = ()
    kind_tasks: KindCaps = msgspec.field(default_factory=dict)
    user_tasks: Count | None = None
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    timeout_s: Seconds = 600
    retry_s: Seconds = 2
    retry_most_s: Seconds = 3600
    keep_days: Annotated[int, Meta(ge=1, le=3650)] = 30
    drain_s: Seconds = 10


Delays = Annotated[
    tuple[Annotated[float, Meta(ge=0, le=86_400)], ...],
    Meta(min_length=1, description="a list of one or more numbers from 0 to 86400"),
]


class Webhooks(Section, frozen=True):
    """`retry_delays_s` are those that Standard Webhooks suggests."""

    timeout_s: Annotated[float, Meta(gt=0, le=25)] = 15
    retry_delays_s: Delays = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)


class Limits(Section, frozen=True):
    """What a run may use where its agent does not say less; runs at once and open sockets count per process."""

    max_steps: Annotated[int, Meta(ge=1, le=1000)] = 20
    max_output_tokens: Count = 100_000
    run_timeout_s: Seconds = 600
    budget: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    concurrent_runs: Count = 64
    user_runs: Count = 20
    queued_runs: Count = 100
    queued_tasks: Count = 10_000
    user_webhooks: Count = 20
    user_schedules: Count = 1000
    address_requests: Count = 1200
    failed_logins: Count = 20
    user_requests: Count = 600
    key_requests: Count = 600
    end_user_requests: Count = 600
    streams: Count = 50
    user_sockets: Count = 50
    requests: Annotated[int, Meta(ge=1, le=12_000)] = 4096
    sockets: Annotated[int, Meta(ge=1, le=12_000)] = 4096
    live_log_s: Seconds = 120
    images: Annotated[int, Meta(ge=0, le=100)] = 8
    image_bytes: Annotated[int, Meta(ge=1, le=2**25)] = 4_194_304
    images_bytes: Annotated[int, Meta(ge=1, le=2**25)] = 8_388_608
    image_fetch_s: Seconds = 15


class Telemetry(Section, frozen=True):
    access_log: bool = True
    worker_metrics: Address | None = None


class Settings(Section, frozen=True):
    """`data_dir` None: the platform's user data home, for root /var/lib/polyagent."""

    data_dir: str | None = None
    server: Server = Server()
    database: Database = Database()
    redis: Redis = Redis()
    ai: Ai = Ai()
    auth: Auth = Auth()
    log: Log = Log()
    documents: Documents = Documents()
    tools: Tools = Tools()
    queue: Queue = Queue()
    webhooks: Webhooks = Webhooks()
    limits: Limits = Limits()
    telemetry: Telemetry = Telemetry()
