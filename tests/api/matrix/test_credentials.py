"""Every operation, by every kind of credential."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from polyagent.domain.account import User
from tests.api.client import Answer
from tests.api.matrix.credentials import BAD, GOOD, Credential
from tests.api.matrix.document import Document, Operation
from tests.api.matrix.requests import REQUESTS
from tests.api.matrix.rights import RIGHTS, verdict
from tests.api.matrix.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROFILE = "/api/v1/users/profile"


async def test_each_operation_of_the_document_has_a_right_and_a_request(document: Document) -> None:
    assert set(RIGHTS) == set(document.operations)
    assert set(REQUESTS) == set(document.operations)


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # HS512
@pytest.mark.parametrize("credentials", [GOOD, BAD], ids=["good", "bad"])
async def test_operations_do_what_the_rights_of_a_credential_say(
    place: Town, document: Document, credentials: Sequence[Credential]
) -> None:
    for credential in credentials:
        for operation in document.operations.values():
            answer, before, after = await _tried(place, operation, credential)

            what = (credential.name, operation.id, answer.status, answer.body)
            refusal = verdict(RIGHTS[operation.id], credential.bearer)
            if refusal is None:
                assert answer.status in operation.good, what
                continue
            assert operation.is_refused(answer, *refusal), what
            assert before == after, what
            assert ("www-authenticate" in answer.headers) == (answer.status == 401), what


async def _tried(
    place: Town, operation: Operation, credential: Credential
) -> tuple[Answer, object, object]:
    token = await credential.make(place)
    user = await _user_of(place, token) if credential.bearer.refused is None else place.ann
    ask = await REQUESTS[operation.id](place, user)
    before = place.snapshot()
    answer = await ask.by(place.house.nobody.with_token(token), operation)
    return answer, before, place.snapshot()


async def _user_of(place: Town, token: str | None) -> User:
    profile = await place.house.nobody.with_token(token).get(PROFILE)
    assert profile.status == 200, profile.body
    return place.state.accounts[UUID(profile.json["id"])].user
