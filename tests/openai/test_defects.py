"""What a client sees of each defect of a model service, through the API; docs/model-services.md has the table."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from polyagent.adapters.openai.provider import OpenAIProvider
from polyagent.settings import Ai, Limits
from tests.api.client import Answer
from tests.api.house import SETTINGS, House
from tests.images import PNG
from tests.model_service import ModelService
from tests.openai.caller import DONE, calls, d, fin, tc, usage

PAGE = Path(__file__).parents[2] / "docs/model-services.md"
FIELDS: dict[str, Any] = {
    "first_byte_timeout_s": 0.5,
    "idle_timeout_s": 0.5,
    "total_timeout_s": 1.5,
    "retries": 1,
}
CALCULATOR = "calculator"
ONE = '{"expression":"1+1"}'
HALF_EMOJI = [d({"content": "a\ud83d"}), d({"content": "\ude00b"}), fin("stop")]
PARTS = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "hi"}, {"type": "new"}]
SPENT = usage(prompt_tokens=7, completion_tokens=1)
TOTALS = [usage(prompt_tokens=7, completion_tokens=n) for n in (10, 50, 100)]


def stub(*lines: str) -> str:
    return f"stub {json.dumps(lines)}"


AWAY = "503 `model_service_unavailable`"
BROKEN = "failed: `model_service_broken`, retryable"
REFUSED = "failed: `model_service_refused`"

DEFECTS = [
    ("HTML with status 200 (a sign-in page, a proxy)", "html", AWAY),
    ("HTML with status 502", "html 502", AWAY),
    ("500, 503, or 429 to the end of the retries", "fail 503", AWAY),
    ("429 once, with `Retry-After`", "fail 429 1 1", "answer"),
    ("a connection that breaks before a word", "reset first", AWAY),
    ("nothing for minutes", "hang", AWAY),
    ("a byte at a time, and never a whole line", "drip", AWAY),
    ("a line without an end", "endless", AWAY),
    ("a gzip bomb, or any compressed answer", "gzipbomb", AWAY),
    ("something that is no JSON", "garbage", AWAY),
    ("an answer without any content", "empty", AWAY),
    ("an error inside of a 200", stub('data: {"error":{"message":"m","code":502}}'), AWAY),
    ("a stream of nothing but comments", "comments", AWAY),
    ("half a JSON in the middle", "half", BROKEN),
    ("a connection that breaks after a word", "reset", BROKEN),
    ("silence after a word", "hang word", BROKEN),
    ("a word now and then, past the total deadline", "slow 10000 100", BROKEN),
    ("a clean end without a finish reason", stub(d({"content": "half"})), BROKEN),
    ("half a tool call, and a clean end", stub(*calls(tc(0, "a", CALCULATOR, '{"ex'))), BROKEN),
    ("a finish reason and no word", stub(fin("stop"), DONE), BROKEN),
    ("JSON nested 100,000 deep", stub(f'data: {{"usage":{"[" * 100_000}'), AWAY),
    ("text without an end, whatever `max_tokens` says", "flood", "answer, incomplete, usage estimated"),
    ("the same tool call for ever", f"toolloop {CALCULATOR} {ONE}", "failed: `limit_reached`"),
    (
        "a tool call with broken JSON, then an answer",
        f'calls {CALCULATOR} {{"expression"\nsay ok',
        "answer",
    ),
    ("a tool that does not exist, then an answer", "calls nothing {}\nsay ok", "answer"),
    (
        "calls that end with `stop`",
        f"stub {json.dumps([*calls(tc(0, 'a', CALCULATOR, ONE)), fin('stop'), SPENT])}\nsay ok",
        "answer",
    ),
    ("an unknown finish reason", stub(d({"content": "x"}), fin("weird"), SPENT), "answer"),
    ("`content_filter`", stub(d({"content": "x"}), fin("content_filter"), SPENT), "answer, incomplete"),
    ("no `[DONE]`", "nodone", "answer"),
    ("no usage", "nousage", "answer, usage estimated"),
    ("usage twice, or a running total in each chunk", stub(d({"content": "x"}), *TOTALS, fin("stop")), "answer"),
    ("bytes that are no UTF-8", "badutf8", "answer"),
    ("an emoji in two halves", stub(*HALF_EMOJI, SPENT), "answer"),
    ("NUL characters", stub(d({"content": "a\0b"}), fin("stop"), SPENT), "answer"),
    ("content as a list of parts", stub(d({"content": PARTS}), fin("stop"), SPENT), "answer"),
    ("400 for any reason", 'refuse 400 {"error":{"message":"temperature"}}', REFUSED),
    ("401 or 403", 'refuse 401 {"error":{"message":"Incorrect API key sk-123456789"}}', REFUSED),
    ("a redirect", "refuse 307 {}", REFUSED),
    ("404 for a model that was listed", 'refuse 404 {"error":"model not found"}', "failed: `model_unknown`"),
]  # fmt: skip


@asynccontextmanager
async def house_at(service: ModelService) -> AsyncIterator[House]:
    ai = Ai(url=service.url, **FIELDS)
    settings = msgspec.structs.replace(SETTINGS, ai=ai, limits=Limits(max_steps=3))
    async with House(settings, OpenAIProvider()).open() as house:
        yield house


def seen(chat: Answer, last: str, end: dict[str, Any]) -> str:
    """Say in the words of the table what both ways of asking showed, which must agree."""
    if chat.status != 200:
        assert end["code"] == chat.json["code"]
        assert (last, end["retryable"]) == ("run.failed", True)
        return f"{chat.status} `{chat.json['code']}`"
    told = chat.json
    if error := told["error"]:
        assert (last, end["code"], end["detail"]) == ("run.failed", error["code"], error["detail"])
        return f"failed: `{error['code']}`{', retryable' if error['retryable'] else ''}"
    assert last == "run.completed"
    assert told["message"]["content"]
    incomplete = ", incomplete" if told["message"]["incomplete"] else ""
    return f"answer{incomplete}{', usage estimated' if told['usage']['estimated'] else ''}"


def last_event(stream: Answer) -> tuple[str, dict[str, Any]]:
    frames = [frame for frame in stream.body.decode().split("\n\n") if "data: " in frame]
    data = json.loads(frames[-1].partition("data: ")[2])
    return data["type"], data


@pytest.mark.parametrize(("defect", "script", "what"), DEFECTS, ids=[row[0] for row in DEFECTS])
async def test_a_defect_shows_as_the_table_says(defect: str, script: str, what: str) -> None:
    async with ModelService(strict=True) as service, house_at(service) as house:
        chat = await house.chat(house.ann, script)
        stream = await house.ann.post("/api/v1/chat/stream", {"message": script})
        session_id = (await house.ann.get("/api/v1/chat/sessions")).json["items"][0]["id"]
        after = await house.chat(house.ann, "say on", session_id=session_id)

    assert seen(chat, *last_event(stream)) == what
    assert after.json["status"] == "completed"
    assert f"| {defect} | {what} |" in PAGE.read_text()


async def test_an_image_for_a_model_without_eyes_fails_once_and_is_then_422() -> None:
    image = {"type": "image", "data": b64encode(PNG).decode(), "media_type": "image/png"}
    ask = {"message": [{"type": "text", "text": "say what"}, image]}
    async with ModelService(refuses=("images",)) as service, house_at(service) as house:
        first = await house.ann.post("/api/v1/chat", ask)
        second = await house.ann.post("/api/v1/chat", ask)
        on = await house.chat(house.ann, "say on", session_id=first.json["session_id"])

    assert (first.status, first.json["error"]["code"]) == (200, "modality_unsupported")
    second.as_problem(422, "modality_unsupported")
    assert on.json["message"]["content"] == "on "


async def test_nothing_of_what_a_service_says_reaches_a_client() -> None:
    said = '{"error":{"message":"hunter2 at http://10.0.0.1"}}'
    scripts = [f"refuse {status} {said}" for status in (400, 401, 404, 422, 429, 500)]
    scripts += [stub(f"data: {said}"), stub(d({"content": "x"}), f"data: {said}")]
    async with ModelService() as service, house_at(service) as house:
        for script in scripts:
            chat = await house.chat(house.ann, script)
            stream = await house.ann.post("/api/v1/chat/stream", {"message": script})

            error = chat.json.get("error") or chat.json
            assert "hunter2" not in error["detail"] + last_event(stream)[1]["detail"]
            assert "10.0.0.1" not in error["detail"]
