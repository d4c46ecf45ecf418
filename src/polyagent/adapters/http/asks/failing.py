"""What can be wrong with what is asked, for handlers that declare it: the OpenAPI document lists it."""

from polyagent.domain.errors import (
    AddressRefused,
    AgentGone,
    AgentInactive,
    AnswerTooLarge,
    AnswerUnusable,
    Cancelled,
    ContextExceeded,
    FetchFailed,
    FetchTimedOut,
    ImageTooLarge,
    ImageUnusable,
    KindUnknown,
    LimitReached,
    ModalityUnsupported,
    ModelServiceBroken,
    ModelServiceMissing,
    ModelServiceRefused,
    ModelServiceUnavailable,
    ModelUnknown,
    NotFound,
    NotSupported,
    ResponseFormatViolated,
    SessionBusy,
    Stopping,
    ToolInDoubt,
    ToolsRefused,
    ToolUnknown,
)

IMAGES = (
    *(AddressRefused, FetchFailed, FetchTimedOut, AnswerTooLarge, AnswerUnusable),
    *(ImageUnusable, ImageTooLarge, ModalityUnsupported),
)
ADMISSION = (
    *(NotFound, AgentInactive, AgentGone, SessionBusy, ToolUnknown, ModelUnknown, NotSupported),
    *(*IMAGES, ModelServiceMissing),
)
TASK = (KindUnknown, ToolUnknown)
COMPLETION = (
    *(NotFound, AgentInactive, ToolUnknown, ModelUnknown, NotSupported, *IMAGES),
    *(ModelServiceMissing, ModelServiceUnavailable, ModelServiceBroken, ModelServiceRefused),
    *(ContextExceeded, ToolsRefused, LimitReached, ResponseFormatViolated, ToolInDoubt, Cancelled),
    Stopping,
)
"""A completion whose run fails is an error itself."""
