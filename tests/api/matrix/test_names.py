"""Names and emails that are too long, that look like others, or that nobody sees: wherever one is taken."""

from typing import Any

import pytest

from tests.api.matrix.document import Document
from tests.api.matrix.requests import REQUESTS
from tests.api.matrix.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = "x" * 10_000
NAMES = {"name": LONG, "username": LONG, "title": LONG, "email": f"{LONG}@house.example"}
UNSEEN = {
    "username": ["ad\u200bmin", "\u3164", "a\u00adb", "a\u202eb", "a\r\nb", "\ufeffann", "a\x00b"],
    "email": ["e\u200bve@house.example", "a\u202eb@x.example", "a@b\r\nBcc: c@d", "a@\u2060x.y"],
}
WIDE = str.maketrans({chr(c): chr(c + 0xFEE0) for c in range(0x21, 0x7F) if chr(c).isalnum()})


async def _tried(place: Town, document: Document, field: str, value: str) -> dict[str, Any]:
    """Send a value as this field of every body that has it, by an administrator: nothing changes."""
    client, answers = await place.client(place.root), {}
    for operation in document.operations.values():
        if operation.body is None or operation.id in ("log_in", "execute_tool"):
            continue
        ask = await REQUESTS[operation.id](place, place.root)
        fields = {
            name for at, own in document.closed(operation.body, ask.json) if not at for name in own
        }
        if field in fields:
            before = place.snapshot()
            answers[operation.id] = await ask.by(client, operation, json={**ask.json, field: value})
            assert place.snapshot() == before, (operation.id, value)
    return answers


@pytest.mark.parametrize("field", NAMES)
async def test_ten_kilobytes_are_no_name(place: Town, document: Document, field: str) -> None:
    answers = await _tried(place, document, field, NAMES[field])

    assert answers
    for name, answer in answers.items():
        problem = answer.as_problem(400, "invalid_request")
        assert problem["errors"][0]["pointer"] == f"#/{field}", name
        assert len(answer.body) < 1000, name


@pytest.mark.parametrize("field", UNSEEN)
async def test_what_nobody_sees_is_no_part_of_a_name(
    place: Town, document: Document, field: str
) -> None:
    for value in UNSEEN[field]:
        answers = await _tried(place, document, field, value)

        assert {"register", "create_user"} <= answers.keys()
        for answer in answers.values():
            answer.as_problem(400, "invalid_request")


@pytest.mark.parametrize("field", ["username", "email"])
async def test_a_name_in_full_width_letters_is_taken_with_its_twin(
    place: Town, document: Document, field: str
) -> None:
    taken = getattr(await place.user("member"), field)
    answers = await _tried(place, document, field, taken.upper().translate(WIDE))

    assert {"register", "create_user"} <= answers.keys()
    for answer in answers.values():
        answer.as_problem(409, "name_taken")
