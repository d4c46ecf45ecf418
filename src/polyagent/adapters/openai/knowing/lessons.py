"""What a refusal teaches: how to ask again, and whether the next one is to be asked so too."""

import re

import msgspec

from polyagent.adapters.openai.knowing.habits import FORMATS, Habits, has_images, kind_of
from polyagent.domain.model import Prompt

REFUSED_WITH = (400, 404, 422)

_BLIND = re.compile(
    r"image_url is only supported|not a multimodal|at most 0 images?\b|unknown variant `image_url`"
    r"|(?:image input|images|vision|multimodal\w*)(?: input)? (?:is|are) not (?:supported|enabled)"
    r"|(?:not|n't) support (?:the use of )?(?:image|vision|multimodal)\w*(?![/\w])"
    r"|endpoints found that support image|missing data required for image"
    r"|content.{0,20} must be a string",
    re.IGNORECASE,
)
_CHOICE = re.compile(r"tool[_ -]choice", re.IGNORECASE)
_FORMAT = re.compile(
    r"response_format|json[_ ]?(?:schema|object)|structured output|guided|grammar|schema",
    re.IGNORECASE,
)
_FORM = r"(?:response[_ ]format|json_(?:schema|object)|structured[_ ]outputs?)"
_NO_FORM = re.compile(
    rf"{_FORM}[^.{{}}]{{0,60}}(?:not (?:supported|available|enabled|permitted)|un(?:available|supported))"
    rf"|{_FORM}[^{{}}]{{0,60}}(?:must be|should be|expected one of)[^.{{}}]{{0,40}}(?:text|json_)"
    rf"|(?:n[o']t support|un(?:supported|known|recognized))[^.{{}}]{{0,60}}{_FORM}(?!\W{{0,4}}(?:json_)?schema)"
    rf"|{_FORM}[^{{}}]{{0,30}}extra inputs",
    re.IGNORECASE,
)
_ONE_SCHEMA = re.compile(
    r"schema for|(?:invalid|bad|this|your|the (?:given|provided)) (?:json )?schema|schema\W{1,4}schema"
    r"|\$ref|\$defs|\b(?:any|one|all)of\b|propert|keyword|features?\b|recursi|pattern|grammar|regex"
    r"|too (?:many|deep|large|long|complex)|nest|depth",
    re.IGNORECASE,
)


class Lesson(msgspec.Struct, frozen=True):
    """`habit` is the one to drop; where it `lasts` not, the reason may lie in this one request."""

    habit: str
    lasts: bool = True


def lesson_of(status: int, refusal: bytes, prompt: Prompt, habits: Habits) -> Lesson | None:
    """Return what to try next, None if the refusal has other reasons."""
    text = refusal.decode("utf-8", "replace")
    if habits.takes_images and _BLIND.search(text) and any(map(has_images, prompt.messages)):
        return Lesson("takes_images")
    if status not in REFUSED_WITH:
        return None
    if habits.tells_usage and "stream_options" in text:
        return Lesson("tells_usage")
    if habits.takes_max_tokens and "max_completion_tokens" in text:
        return Lesson("takes_max_tokens")
    return _beside_tools(text, prompt, habits) or _of_format(text, prompt, habits)


def is_about_tools_as_such(prompt: Prompt) -> bool:
    """Return whether nothing else in a request can be the reason that its tools were refused."""
    return (
        prompt.tool_choice is None
        and prompt.parallel_tool_calls is None
        and prompt.settings.reasoning_effort is None
        and prompt.response_format is None
        and all(tool.source != "client" for tool in prompt.tools)
    )


def _beside_tools(text: str, prompt: Prompt, habits: Habits) -> Lesson | None:
    """Some models take a forced call, or tools at all, only as long as they need not think."""
    thinks = prompt.settings.reasoning_effort is not None
    sent = habits.beside_tools(prompt)
    if "parallel_tool_calls" in sent and "parallel_tool_calls" in text:
        return Lesson("takes_parallel_tool_calls", lasts=not thinks)
    if "tool_choice" in sent and prompt.forces_a_call and _CHOICE.search(text):
        return Lesson("takes_tool_choice", lasts=not thinks)
    if prompt.tools and thinks and habits.takes_effort_with_tools and "reasoning_effort" in text:
        return Lesson("takes_effort_with_tools", lasts=False)
    return None


def _of_format(text: str, prompt: Prompt, habits: Habits) -> Lesson | None:
    """A schema is somebody's own: only what is said of all of them is a lesson for the others."""
    kind = kind_of(habits.format_for(prompt.response_format))
    if kind not in FORMATS or not _FORMAT.search(text):
        return None
    return Lesson(
        f"takes_{kind}", lasts=bool(_NO_FORM.search(text) and not _ONE_SCHEMA.search(text))
    )
