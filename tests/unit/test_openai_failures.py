from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec
import pytest

from polyagent.adapters.openai.failures import (
    EXCERPT_CHARACTERS,
    InputRefused,
    failure_of,
    retry_after_s,
    said,
)
from polyagent.domain.errors import (
    ContextExceeded,
    ModelServiceRefused,
    ModelServiceUnavailable,
    ModelUnknown,
    PolyAgentError,
    ToolsRefused,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, b'{"error":{"message":"gemma does not support tools"}}', ToolsRefused),
        (400, b'{"detail":[{"loc":["body","tools"],"msg":"Extra inputs are not permitted"}]}', ToolsRefused),
        (400, b'{"message":"\\"auto\\" tool choice requires --enable-auto-tool-choice"}', ToolsRefused),
        (404, b'{"error":{"message":"No endpoints found that support tool use"}}', ToolsRefused),
        (400, b'{"error":{"message":"Invalid schema for function \'x\'","param":"tools[0]"}}', InputRefused),
        (400, b'{"error":{"message":"\'tool_calls\' must be followed by tool messages"}}', InputRefused),
        (401, b"", ModelServiceRefused),
        (404, b'{"detail":"Not Found"}', ModelServiceRefused),
        (404, b'{"error":"model \\"x\\" not found, try pulling it first"}', ModelUnknown),
        (400, b'{"error":{"message":"m is not a valid model ID","code":"model_not_found"}}', ModelUnknown),
        (413, b'{"error":{"code":"context_length_exceeded"}}', ContextExceeded),
        (307, b"", ModelServiceRefused),
        (408, b"", ModelServiceUnavailable),
        (429, b'{"error":{"message":"quota"}}', ModelServiceUnavailable),
        (503, b"[]", ModelServiceUnavailable),
        (500, b"[" * 60_000, ModelServiceUnavailable),
        (None, b'{"error":{"code":"429"}}', ModelServiceUnavailable),
        (None, b'{"error":{"code":401}}', ModelServiceRefused),
        (None, b'[{"error":{"code":404,"message":"no such model"}}]', ModelUnknown),
        (None, b"not json", ModelServiceUnavailable),
    ],
)  # fmt: skip
def test_error_answers_are_told_apart(
    status: int | None, body: bytes, kind: type[PolyAgentError]
) -> None:
    assert type(failure_of(status, body, told_tools=True)) is kind


@pytest.mark.parametrize(
    ("said", "is_of_tools"),
    [
        ("registry.ollama.ai/library/phi4-reasoning:latest does not support tools", True),
        ("Unrecognized request argument supplied: tools", True),
        ("Unsupported parameter: 'tools'", True),
        ("tools is not supported in this model. For a list of supported models, see the docs", True),
        ("`tool calling` is not supported with this model", True),
        ("Function calling is not enabled for this model", True),
        ("This model does not support function calling", True),
        ("tools param requires --jinja flag", True),
        ("The tool_choice parameter does not support being set to required or object in thinking mode", False),
        ('tool_choice = "required" is not supported!', False),
        ("deepseek-reasoner does not support this tool_choice", False),
        ("Unsupported parameter: parallel_tool_calls is only allowed when tools are specified", False),
        ("Unsupported value: reasoning_effort none with tool x", False),
        ("Function tools with reasoning_effort are not supported for m. Use /v1/responses instead.", False),
        ("Function calling with a response mime type: 'application/json' is unsupported", False),
        ("Tool named evil: description not allowed", False),
        ("Unknown parameter: 'tools[0].function.strict'.", False),
        ("tools.0.custom.name: unknown field", False),
        ("More than 128 tools are not allowed", False),
        ("messages.2: 'tool_calls' is not allowed", False),
    ],
)  # fmt: skip
def test_tools_that_a_model_does_not_take_are_told_from_what_stands_beside_them(
    said: str, is_of_tools: bool
) -> None:
    body = msgspec.json.encode({"error": {"message": said}})

    kind = ToolsRefused if is_of_tools else InputRefused
    assert type(failure_of(400, body, told_tools=True)) is kind


def test_without_tools_in_the_request_none_were_refused() -> None:
    failure = failure_of(400, b'{"error":{"message":"does not support tools"}}')

    assert type(failure) is InputRefused


@pytest.mark.parametrize(
    "secret",
    [
        "https://10.1.2.3:8443/v1?key=abc",
        "10.1.2.3:8443",
        "/srv/models/llama.gguf",
        "sk-proj-abcdefghijklmnop",
        "Bearer abc",
        "f81d4fae7dec11d0a76500a0c91e6bf6",
    ],
)
def test_an_excerpt_shows_no_addresses_paths_or_keys(secret: str) -> None:
    failure = failure_of(500, f'{{"error":{{"message":"cannot use {secret} now"}}}}'.encode())

    assert said(failure) == "cannot use [...] now"


def test_an_excerpt_is_short_and_of_one_line() -> None:
    failure = failure_of(500, b'{"error":{"message":"a\\u0000b\\r\\nc ' + b"word " * 500 + b'"}}')

    excerpt = said(failure) or ""
    assert excerpt.startswith("ab c word")
    assert len(excerpt) == EXCERPT_CHARACTERS


@pytest.mark.parametrize("status", [None, 307, 400, 401, 404, 408, 413, 422, 429, 500, 503])
def test_what_a_service_says_is_no_part_of_the_detail(status: int | None) -> None:
    words = "model tools not supported, not found: maximum context length is 512 tokens; hunter2"
    failure = failure_of(status, f'{{"error":{{"message":"{words}"}}}}'.encode(), told_tools=True)

    assert "hunter2" not in failure.detail
    assert "hunter2" in (said(failure) or "")


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-1", 0.0),
        (format_datetime(NOW + timedelta(seconds=7), usegmt=True), 7.0),
        ("", None),
        ("soon", None),
        ("inf", None),
        ("Thu, 01 Jan 2026 00:00:00", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(told: str, seconds: float | None) -> None:
    assert retry_after_s({"retry-after": told}, NOW) == seconds


def test_retry_after_may_be_told_in_milliseconds() -> None:
    assert retry_after_s({"retry-after": "1", "retry-after-ms": "250"}, NOW) == 0.25
