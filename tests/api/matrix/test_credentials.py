"""Every operation, by every kind of credential."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from polyagent.domain.account import User
from tests.api.matrix.credentials import BAD, GOOD, Credential
from tests.api.matrix.document import Document
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
    for operation in document.operations.values():
        nobodys = await REQUESTS[operation.id](place, place.ann)
        for credential in credentials:
            token = await credential.make(place)
            ask, refusal = nobodys, verdict(RIGHTS[operation.id], credential.bearer)
            if credential.bearer.refused is None or refusal is None:
                ask = await REQUESTS[operation.id](place, await _user_of(place, token))
            before = place.snapshot()

            answer = await ask.by(place.house.nobody.with_token(token), operation)

            what = (credential.name, operation.id, answer.status, answer.body)
            if refusal is None:
                assert answer.status in operation.good, what
                continue
            assert operation.is_refused(answer, *refusal), what
            assert place.snapshot() == before, what
            assert ("www-authenticate" in answer.headers) == (answer.status == 401), what


async def _user_of(place: Town, token: str | None) -> User:
    """Return whose token it is; somebody for one that is nobody's."""
    profile = await place.house.nobody.with_token(token).get(PROFILE)
    if profile.status != 200:
        return place.ann
    return place.state.accounts[UUID(profile.json["id"])].user
