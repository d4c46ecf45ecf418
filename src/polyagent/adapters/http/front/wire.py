"""What clients send and get. Fields that are not here are ignored, and null is as good as absent.

https://platform.openai.com/docs/api-reference/chat/create
"""

from typing import Annotated, Any, Literal

import msgspec

from polyagent.domain.chat import Citation

MAX_MESSAGES = 10_000
MAX_TOOLS = 128


class TextContent(msgspec.Struct, tag="text", tag_field="type"):
    text: str


class RefusalContent(msgspec.Struct, tag="refusal", tag_field="type"):
    refusal: str


class ImageUrl(msgspec.Struct):
    """`url` is an address, or `data:<type>;base64,<data>`."""

    url: str


class ImageContent(msgspec.Struct, tag="image_url", tag_field="type"):
    image_url: ImageUrl


class AudioContent(msgspec.Struct, tag="input_audio", tag_field="type"):
    """Refused."""


class FileContent(msgspec.Struct, tag="file", tag_field="type"):
    """Refused."""


Content = TextContent | RefusalContent | ImageContent | AudioContent | FileContent


class CalledFunction(msgspec.Struct):
    """`arguments` is the text of a JSON object."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    arguments: str = ""


class FunctionCall(msgspec.Struct, tag="function", tag_field="type"):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    function: CalledFunction


class SystemMessage(msgspec.Struct, tag="system", tag_field="role"):
    content: str | list[Content]


class DeveloperMessage(msgspec.Struct, tag="developer", tag_field="role"):
    content: str | list[Content]


class UserMessage(msgspec.Struct, tag="user", tag_field="role"):
    content: str | list[Content]


class AssistantMessage(msgspec.Struct, tag="assistant", tag_field="role"):
    content: str | list[Content] | None = None
    tool_calls: list[FunctionCall] | None = None
    function_call: dict[str, Any] | None = None


class ToolMessage(msgspec.Struct, tag="tool", tag_field="role"):
    content: str | list[Content]
    tool_call_id: str


class FunctionMessage(msgspec.Struct, tag="function", tag_field="role"):
    """Refused."""


CompletionMessage = (
    SystemMessage
    | DeveloperMessage
    | UserMessage
    | AssistantMessage
    | ToolMessage
    | FunctionMessage
)


class Function(msgspec.Struct):
    """`parameters` is the JSON Schema of an object; without it the function takes none."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$(?!\n)")]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class FunctionTool(msgspec.Struct, tag="function", tag_field="type"):
    function: Function


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


OutputTokens = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class CompletionRequest(msgspec.Struct, kw_only=True):
    """`model` is a model's name, or `agent/` and the name or id of an agent."""

    model: Annotated[str, msgspec.Meta(min_length=1, max_length=400)]
    messages: Annotated[
        list[CompletionMessage], msgspec.Meta(min_length=1, max_length=MAX_MESSAGES)
    ]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: OutputTokens | None = None
    max_completion_tokens: OutputTokens | None = None
    stop: str | list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    reasoning_effort: str | None = None
    response_format: dict[str, Any] | None = None
    tools: Annotated[list[FunctionTool], msgspec.Meta(max_length=MAX_TOOLS)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: Any = None
    function_call: Any = None
    user: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    metadata: dict[str, Any] | None = None


class CompletionCall(msgspec.Struct, kw_only=True):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class CompletionAnswer(msgspec.Struct, kw_only=True):
    """`content` is null where the model only called tools. `citations` are what it cites of an agent's documents."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    reasoning_content: str | msgspec.UnsetType = msgspec.UNSET
    tool_calls: list[CompletionCall] | msgspec.UnsetType = msgspec.UNSET
    citations: list[Citation] | msgspec.UnsetType = msgspec.UNSET


FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class CompletionChoice(msgspec.Struct, kw_only=True):
    index: int = 0
    message: CompletionAnswer
    logprobs: None = None
    finish_reason: FinishReason


class PromptDetails(msgspec.Struct):
    cached_tokens: int


class OutputDetails(msgspec.Struct):
    reasoning_tokens: int


class CompletionUsage(msgspec.Struct, kw_only=True):
    """`estimated`: the model service did not say."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: OutputDetails
    estimated: bool


class CompletionResponse(msgspec.Struct, kw_only=True):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: CompletionUsage


class ModelOffer(msgspec.Struct, kw_only=True):
    """`created` is 0 where nobody knows."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelOffers(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    data: list[ModelOffer]


class ErrorDetails(msgspec.Struct, kw_only=True):
    """`param` names the field that is at fault: `messages[0].content`."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorAnswer(msgspec.Struct, kw_only=True):
    error: ErrorDetails
