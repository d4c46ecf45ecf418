"""What a client asks."""

from typing import Any

import msgspec
import pytest

from polyagent.domain.chat import Ask, ImagePart, Part, TextPart, text_of

IMAGE = {"type": "image", "url": "https://example.org/a.png"}

DATA = {"type": "image", "data": "AAAA", "media_type": "image/png"}


def asked(**body: Any) -> Ask:
    return msgspec.convert(body, Ask)


def test_a_text_is_one_part() -> None:
    assert asked(message="hi").parts == (TextPart("hi"),)


def test_an_image_alone_says_enough() -> None:
    ask = asked(message=[IMAGE])
    asked(message=[DATA])

    assert ask.parts == (ImagePart(url="https://example.org/a.png"),)
    assert ask.title is None


def test_the_text_of_parts_leaves_images_out() -> None:
    ask = asked(message=[{"type": "text", "text": "look: "}, IMAGE, {"type": "text", "text": "?"}])

    assert text_of(ask.parts) == "look: ?"


@pytest.mark.parametrize(
    "body",
    [
        {"message": ""},
        {"message": " \n\t"},
        {"message": []},
        {"message": [{"type": "text", "text": " "}]},
        {"message": [{"type": "sound"}]},
        {"message": [{"type": "image"}]},
        {"message": [IMAGE | {"data": "AAAA"}]},
        {"message": [{"type": "text", "text": "hi", "x": 1}]},
        {"message": [DATA | {"data": ""}]},
        {"message": [DATA | {"data": "no base64!"}]},
        {"message": [DATA | {"data": "data:image/png;base64,AAAA"}]},
        {"message": [DATA | {"media_type": "text/html"}]},
        {"message": [DATA | {"media_type": "image/png\n"}]},
        {"message": 7},
        {"message": "hi", "agent_type": "custom"},
        {"message": "hi", "priority": 10},
        {"message": "hi", "end_user": ""},
        {"message": "hi", "user_id": "x"},
        {"message": "hi", "stream": True, "background": True},
        {"message": "hi", "agent_type": "general", "agent_id": "0" * 32},
    ],
)
def test_what_makes_no_sense_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        asked(**body)


def test_a_title_is_the_first_eight_words() -> None:
    assert asked(message="one two  three\nfour five six seven eight nine").title == (
        "one two three four five six seven eight"
    )


def test_a_title_is_at_most_eighty_characters() -> None:
    assert asked(message="x" * 1000).title == "x" * 80


def test_an_answer_of_any_length_is_read_back() -> None:
    part = TextPart("a" * 2_000_001)

    assert msgspec.json.decode(msgspec.json.encode(part), type=Part) == part
