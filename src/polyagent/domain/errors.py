"""Everything that can go wrong, named for what happened.

`code` is stable and part of the API; `retryable` says whether the same request may succeed later.
"""

from typing import ClassVar

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request: `pointer` is a URI fragment, `#/tools/0` (RFC 6901)."""

    pointer: str
    detail: str


class PolyAgentError(Exception):
    """The root of the tree: a defect of ours unless a subclass says otherwise."""

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = faults


class Invalid(PolyAgentError):
    """The request is malformed."""

    code = "invalid_request"


class CursorInvalid(Invalid):
    code = "cursor_invalid"


class PasswordCommon(Invalid):
    code = "password_common"


class Unauthenticated(PolyAgentError):
    code = "unauthenticated"


class BadCredentials(Unauthenticated):
    code = "bad_credentials"


class TokenExpired(Unauthenticated):
    code = "token_expired"


class RefreshTokenReused(Unauthenticated):
    """Somebody gave a token that had been replaced: its whole family is dead."""

    code = "refresh_token_reused"


class Forbidden(PolyAgentError):
    code = "forbidden"


class RegistrationClosed(Forbidden):
    code = "registration_closed"


class ScopeMissing(Forbidden):
    code = "scope_missing"


class NotFound(PolyAgentError):
    """Absent, or somebody else's: never tell which."""

    code = "not_found"


class Conflict(PolyAgentError):
    code = "conflict"


class NameTaken(Conflict):
    code = "name_taken"


class AgentInactive(Conflict):
    """Its owner, or an administrator, has put it to rest."""

    code = "agent_inactive"


class AgentGone(Conflict):
    """The agent of a session is there no more, or no longer shared."""

    code = "agent_gone"

    def __init__(self) -> None:
        super().__init__(
            "The agent of this session is gone: name another, by agent_id or agent_type."
        )


class LastAdministrator(Conflict):
    """Without it nobody could manage the workspace."""

    code = "last_administrator"


class SessionBusy(Conflict):
    code = "session_busy"
    retryable = True


class RunFinished(Conflict):
    code = "run_finished"


class TaskFinished(Conflict):
    code = "task_finished"


class InProgress(Conflict):
    """Another request under the same idempotency key is still at work."""

    code = "in_progress"
    retryable = True

    def __init__(self, detail: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class PreconditionFailed(PolyAgentError):
    """Somebody else changed it first."""

    code = "precondition_failed"


class Impossible(PolyAgentError):
    """Well-formed, but it cannot be done."""

    code = "unprocessable"


class ToolUnknown(Impossible):
    code = "tool_unknown"


class KindUnknown(Impossible):
    """No process here knows tasks of this kind."""

    code = "kind_unknown"


class CronInvalid(Impossible):
    """No cron expression of five fields, or one that never fires."""

    code = "cron_invalid"


class TimezoneUnknown(Impossible):
    """No IANA name of a time zone that every machine knows."""

    code = "timezone_unknown"


class EventUnknown(Impossible):
    """Webhooks hear of no such event."""

    code = "event_unknown"


class ModelUnknown(Impossible):
    code = "model_unknown"


class ModalityUnsupported(Impossible):
    code = "modality_unsupported"


class NotSupported(Impossible):
    code = "not_supported"


class AddressRefused(Impossible):
    """No address that the server may be sent to: malformed, not http(s), private."""

    code = "address_refused"


class FetchFailed(Impossible):
    """Nothing came from an address that somebody supplied."""

    code = "fetch_failed"
    retryable = True


class FetchTimedOut(FetchFailed):
    code = "fetch_timed_out"


class AnswerTooLarge(FetchFailed):
    code = "answer_too_large"
    retryable = False


class AnswerUnusable(FetchFailed):
    """What came is not what an HTTP server should send to this request."""

    code = "answer_unusable"
    retryable = False


class ImageUnusable(Impossible):
    """No picture of a format that model services take."""

    code = "image_unusable"


class ImageTooLarge(ImageUnusable):
    code = "image_too_large"


class TooLarge(PolyAgentError):
    """It has more bytes than is taken."""

    code = "too_large"


class QuotaExceeded(TooLarge):
    """What its owner keeps would be more than a user may keep."""

    code = "quota_exceeded"


class DocumentTypeUnsupported(PolyAgentError):
    """The bytes are of no format that is read."""

    code = "document_type_unsupported"


class IdempotencyKeyReused(Impossible):
    code = "idempotency_key_reused"


class Limited(PolyAgentError):
    code = "rate_limited"
    retryable = True

    def __init__(self, detail: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class TooManyOpen(Limited):
    """What is open at once has a bound: close some of it."""

    code = "limited"


class Unavailable(PolyAgentError):
    """A dependency is away; it is worth another try after `retry_after_s`."""

    code = "unavailable"
    retryable = True

    def __init__(self, detail: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class StorageUnavailable(Unavailable):
    """Where the bytes of documents are kept does not answer."""

    code = "storage_unavailable"


class VectorsImpossible(Unavailable):
    """The database cannot keep vectors: the detail says what it lacks."""

    code = "vectors_impossible"


class SpaceGone(PolyAgentError):
    """The vectors of this space were replaced by those of another model."""

    code = "space_gone"


class QueueUnavailable(Unavailable):
    """Redis is away: what waits is found in the database meanwhile."""


class MigrationImpossible(PolyAgentError):
    """The database cannot be brought to the schema of this version: its server or its schema is too far off."""

    code = "migration_impossible"


class Stopping(Unavailable):
    """This process is about to end and takes no more work."""

    code = "stopping"


class Overloaded(Unavailable):
    """This process has as much in hand as it can answer."""

    code = "overloaded"


class ModelServiceMissing(Unavailable):
    code = "model_service_missing"


class ModelServiceUnavailable(Unavailable):
    """Refused, timed out, 429, 5xx or no sense in the answer, after the retries."""

    code = "model_service_unavailable"


class ModelServiceBroken(Unavailable):
    """The answer broke off, or stopped making sense, after it had begun."""

    code = "model_service_broken"


class ModelServiceRefused(PolyAgentError):
    """The service understood the request and refuses it (a 4xx other than 429)."""

    code = "model_service_refused"


class ContextExceeded(ModelServiceRefused):
    """The prompt does not fit; `window_tokens` is what the service says that it takes, if it does."""

    code = "context_exceeded"

    def __init__(self, detail: str, *, window_tokens: int | None = None) -> None:
        super().__init__(detail)
        self.window_tokens = window_tokens


class ToolsRefused(ModelServiceRefused):
    """The service takes no `tools`."""

    code = "tools_refused"


class LimitReached(PolyAgentError):
    """A limit of the agent ended the run: steps, tokens, time or money."""

    code = "limit_reached"


class ResponseFormatViolated(PolyAgentError):
    """The model's last answer is not of the form that was asked for, however often it was told."""

    code = "response_format_violated"


class ToolFailed(PolyAgentError):
    """A tool could not do what it was asked; the detail is written for the model."""

    code = "tool_failed"


class ToolInDoubt(PolyAgentError):
    """A `once` call was caught by a failure or took too long: it may have taken effect, or still will."""

    code = "tool_in_doubt"


class TaskFailed(PolyAgentError):
    """An attempt at a task failed; the next is not made before `retry_after_s`."""

    code = "task_failed"
    retryable = True

    def __init__(self, detail: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class DeliveryFailed(TaskFailed):
    """A receiver did not take what it was sent."""

    code = "delivery_failed"


class TaskGivenUp(PolyAgentError):
    """A task can never succeed: no further attempt is made."""

    code = "task_given_up"


class DocumentUnreadable(TaskGivenUp):
    """There is no way to the text of a document."""

    code = "document_damaged"


class BlobGone(DocumentUnreadable):
    """What was uploaded is lost."""

    code = "blob_gone"


class DocumentEncrypted(DocumentUnreadable):
    code = "document_encrypted"


class DocumentWithoutText(DocumentUnreadable):
    """Nothing in it is text: it is empty, or pictures of pages."""

    code = "no_text"


class DocumentTooComplex(DocumentUnreadable):
    """To read it takes more memory, time or room than one document may."""

    code = "document_too_complex"


class ReceiverGone(TaskGivenUp):
    """The receiver says that it will never take anything again (410)."""

    code = "receiver_gone"


class TaskInDoubt(TaskGivenUp):
    """Its effect may have happened, and must not happen twice."""

    code = "in_doubt"


class SealBroken(PolyAgentError):
    """What is sealed cannot be opened with any key that is here."""

    code = "seal_broken"


class Fenced(PolyAgentError):
    """Another process has taken the run over: stop at once and write nothing more."""

    code = "fenced"


class Cancelled(PolyAgentError):
    """Somebody asked for the run to be cancelled before this could begin."""

    code = "cancelled"
