"""Everybody's things, by whoever may see them and by whoever may not: in paths, bodies and headers.

What is another's answers as what is not there: alike to the byte, but for what the request itself said.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pytest

from polyagent.domain.account import User
from tests.api.client import Answer, Client
from tests.api.house import some_id, without
from tests.api.matrix.document import Document, Operation
from tests.api.matrix.requests import REQUESTS, Ask
from tests.api.matrix.town import Town

pytestmark = pytest.mark.asyncio(loop_scope="module")

Whose = Literal["own", "another's", "shared", "abroad"]
Who = Literal["viewer", "member", "admin", "admin's chat key"]

NOBODYS: dict[str, Callable[[], dict[str, Any]]] = {
    "agent_id": lambda: {"agent_id": some_id(), "number": 1},
    "session_id": lambda: {"session_id": some_id()},
    "run_id": lambda: {"run_id": some_id()},
    "user_id": lambda: {"user_id": some_id()},
    "task_id": lambda: {"task_id": some_id()},
    "schedule_id": lambda: {"schedule_id": some_id()},
    "webhook_id": lambda: {"webhook_id": some_id(), "delivery_id": some_id()},
    "key_id": lambda: {"key_id": some_id()},
    "model_id": lambda: {"model_id": f"agent/{some_id()}"},
}
READ = {"get_agent", "list_agent_versions", "get_model"}
READ_LATER = {"get_task", "get_schedule", "get_webhook", "list_webhook_deliveries"}
CHANGE_LATER = {
    *("cancel_task", "retry_task", "replace_schedule", "update_schedule", "delete_schedule"),
    *("pause_schedule", "resume_schedule", "trigger_schedule"),
    *("update_webhook", "delete_webhook", "rotate_webhook_secret"),
    *("test_webhook", "redeliver_webhook"),
}
CHANGE = {"replace_agent", "update_agent", "delete_agent", "restore_agent_version"}


def expected(operation: str, who: Who, whose: Whose) -> int | None:
    """Return the status of the refusal, by the contract's table of roles; None if it is to succeed."""
    if operation in READ | CHANGE:
        return _of_agent(operation, who, whose)
    if operation == "delete_api_key" and who in ("viewer", "admin's chat key"):
        return 403
    if operation in ("get_user", "update_user", "delete_user") and who != "admin":
        return 403
    if operation in READ_LATER | CHANGE_LATER and who == "admin's chat key":
        return 403
    if operation in CHANGE_LATER and who == "viewer":
        return 403
    return None if whose == "own" or (who == "admin" and whose != "abroad") else 404


def _of_agent(operation: str, who: Who, whose: Whose) -> int | None:
    if who == "admin's chat key" and operation != "get_model":
        return 403
    if who == "viewer" and operation in CHANGE:
        return 403
    if whose == "own" or (who == "admin" and whose != "abroad"):
        return None
    if whose == "shared":
        return None if operation in READ else 403
    return 404


class Person(NamedTuple):
    user: User
    client: Client


async def _person(place: Town, who: Who) -> Person:
    if who == "admin's chat key":
        key = await place.key(place.root, "chat")
        return Person(place.root, place.house.nobody.with_token(key.secret))
    user = {"viewer": place.vic, "member": place.ann, "admin": place.root}[who]
    return Person(user, await place.client(user))


async def _ask(place: Town, operation: str, me: User, whose: Whose) -> Ask:
    """Return a request about a thing of that owner, good if it were one's own."""
    owner = {"own": me, "abroad": place.far}.get(whose, place.bob)
    ask = await REQUESTS[operation](place, owner)
    if whose == "shared" and operation in READ | CHANGE:
        agent = await place.agent(owner, "shared")
        named = {"agent_id": agent.id, "model_id": f"agent/{agent.id}"}
        ask = ask._replace(about={**ask.about, **named})
    return ask


def _nobodys(operation: Operation) -> dict[str, Any]:
    """Return what fills the path with something that is not there; nothing for a path without things."""
    return next((make() for name, make in NOBODYS.items() if f"{{{name}}}" in operation.path), {})


@pytest.mark.parametrize("who", ["viewer", "member", "admin", "admin's chat key"])
async def test_things_in_paths(place: Town, document: Document, who: Who) -> None:
    me = await _person(place, who)
    tried = 0
    for operation in document.operations.values():
        if not (about := _nobodys(operation)):
            continue
        for whose in ("own", "another's", "shared", "abroad"):
            ask = await _ask(place, operation.id, me.user, whose)
            before = place.snapshot()
            answer = await ask.by(me.client, operation)

            what = (operation.id, who, whose, answer.status, answer.body)
            status = expected(operation.id, who, whose)
            assert answer.status in (operation.good if status is None else {status}), what
            assert status is None or place.snapshot() == before, what
            if status == 404:
                absent = await ask.by(me.client, operation, about={**ask.about, **about})
                assert _told(answer, ask) == _told(absent, ask._replace(about=about)), what
            tried += 1
    assert tried >= 76


def _told(answer: Answer, ask: Ask) -> Any:
    """Return all of an answer but the ids that the request itself said, and its own."""
    text = answer.body.decode().replace(answer.headers["x-request-id"], "<request>")
    for value in map(str, ask.about.values()):
        if len(value) > 30:
            text = text.replace(value.removeprefix("agent/"), "<asked>")
    headers = without(answer.headers, "x-request-id", "ratelimit", "content-length")
    return answer.status, headers, text


class Mention(NamedTuple):
    """A thing that a body names: `of` makes one for its owner, `says` puts it into a good body."""

    operation: str
    of: Callable[[Town, User], Awaitable[Any]]
    says: Callable[[Any, str], Any]
    absent: Callable[[], str] = lambda: str(some_id())
    status: int = 404
    needs_documents: bool = False


async def _session(town: Town, owner: User) -> UUID:
    return (await town.talk(owner)).session_id


async def _agent(town: Town, owner: User) -> UUID:
    return (await town.agent(owner)).id


async def _agent_name(town: Town, owner: User) -> str:
    return (await town.agent(owner)).name


async def _document(town: Town, owner: User) -> UUID:
    return await town.document(owner)


async def _message(town: Town, owner: User) -> UUID:
    return (await town.talk(owner)).message_id


def _field(name: str) -> Callable[[Any, str], Any]:
    return lambda body, value: {**body, name: value}


def _documents(body: Any, value: str) -> Any:
    return {**body, "document_ids": [value]}


def _part(kind: str) -> Callable[[Any, str], Any]:
    return lambda body, value: {**body, "message": [{"type": kind, "document_id": value}]}


CHATS = ("send_chat", "stream_chat", "create_run")
MENTIONS = [
    *(Mention(chat, _session, _field("session_id")) for chat in CHATS),
    *(Mention(chat, _agent, _field("agent_id")) for chat in CHATS),
    *(
        Mention(chat, thing, _documents, needs_documents=True)
        for chat in (*CHATS, "create_agent", "replace_agent", "update_agent")
        for thing in (_document, _session)
    ),
    *(Mention(chat, _document, _part("file"), needs_documents=True) for chat in CHATS),
    *(Mention(chat, _document, _part("image")) for chat in CHATS),
    *(Mention(each, _document, _documents) for each in ("search_documents", "index_documents")),
    Mention("fork_session", _message, _field("message_id")),
    Mention("complete_chat", _agent, lambda body, value: {**body, "model": f"agent/{value}"}),
    Mention("complete_chat", _agent_name, lambda body, value: {**body, "model": f"agent/{value}"}),
]


def _is_refused(operation: str, who: Who) -> bool:
    if operation.endswith("_agent") or operation == "index_documents":
        return who in ("viewer", "admin's chat key")
    return operation == "search_documents" and who == "admin's chat key"


def _lacks_scope(mention: Mention, who: Who) -> bool:
    return who == "admin's chat key" and mention.needs_documents


def _is_seen_by_administrators(mention: Mention) -> bool:
    return mention.of in (_agent, _agent_name) or mention.operation == "index_documents"


@pytest.mark.parametrize("who", ["viewer", "member", "admin", "admin's chat key"])
async def test_things_in_bodies(place: Town, document: Document, who: Who) -> None:
    me = await _person(place, who)
    for mention in MENTIONS:
        operation = document.operations[mention.operation]
        if _is_refused(operation.id, who):
            continue  # whatever it names: test_credentials.py
        status = 403 if _lacks_scope(mention, who) else mention.status
        for owner in (place.bob, place.far):
            if who == "admin" and owner is place.bob and _is_seen_by_administrators(mention):
                continue
            ask = await REQUESTS[operation.id](place, me.user)
            answers = []
            for value in (str(await mention.of(place, owner)), mention.absent()):
                before = place.snapshot()
                named = ask._replace(json=mention.says(ask.json, value))
                answer = await named.by(me.client, operation)
                assert answer.status == status, (mention, answer.body)
                assert place.snapshot() == before, mention
                answers.append(answer.told(value))
            assert answers[0] == answers[1], mention


@pytest.mark.parametrize("who", ["viewer", "member", "admin's chat key"])
async def test_filters_find_nothing_of_others(place: Town, who: Who) -> None:
    me = await _person(place, who)
    talks = [await place.talk(owner) for owner in (place.bob, place.far)]
    agent = await place.agent(place.bob)
    for path, ids in {
        "/api/v1/runs?session_id=": [talk.session_id for talk in talks],
        "/api/v1/chat/sessions?agent_id=": [agent.id],
    }.items():
        nothing = await me.client.get(f"{path}{some_id()}")
        for named in ids:
            answer = await me.client.get(f"{path}{named}")
            assert (answer.status, answer.body) == (200, nothing.body)


@pytest.mark.parametrize("who", ["viewer", "member", "admin", "admin's chat key"])
async def test_lists_show_nothing_of_others(place: Town, document: Document, who: Who) -> None:
    me = await _person(place, who)
    hidden = [str(place.far.id), str(place.far.workspace_id)]
    for owner in (place.far,) if who == "admin" else (place.far, place.bob):
        talk, agent, key = (
            await place.talk(owner),
            await place.agent(owner),
            await place.key(owner, "chat"),
        )
        hidden += [*map(str, (talk.session_id, talk.run_id, agent.id, key.id)), agent.name]
    for operation in document.operations.values():
        if operation.method == "GET" and "{" not in operation.path:
            query = "limit=100&user_id={0}&owner_id={0}&workspace_id={1}&role=admin"
            path = f"{operation.path}?{query.format(place.far.id, place.far.workspace_id)}"
            told = (await me.client.get(path)).body.decode()
            assert not [each for each in hidden if each in told], operation.id


@pytest.mark.parametrize("tag", ['"1"', '"99"', 'W/"1"', "1", "*", '"7", "8"', '"1", "8"'])
async def test_if_match_tells_nothing_of_what_is_anothers(
    place: Town, document: Document, tag: str
) -> None:
    me = await _person(place, "member")
    for name in (*CHANGE, "update_session", "delete_session"):
        operation = document.operations[name]
        for owner in (place.bob, place.far):
            ask = await REQUESTS[name](place, owner)
            ask = ask._replace(headers={"If_Match": tag})
            about = _nobodys(operation)
            foreign = await ask.by(me.client, operation)
            absent = await ask.by(me.client, operation, about={**ask.about, **about})

            assert foreign.status == 404, (name, foreign.body)
            assert _told(foreign, ask) == _told(absent, ask._replace(about=about)), name


async def test_a_key_that_somebody_else_used_is_as_good_as_new(
    place: Town, document: Document
) -> None:
    ann, bob = await _person(place, "member"), Person(place.bob, await place.client(place.bob))
    names = ("create_agent", "execute_tool", "create_api_key", "complete_chat", *CHATS)
    for name in names:
        operation = document.operations[name]
        ask = await REQUESTS[name](place, ann.user)
        body = without(ask.json, "session_id", "agent_id")
        if name == "complete_chat":
            body["model"] = "agent/general"
        ask = Ask(json=body, headers={"Idempotency_Key": f"key-of-{name}"})

        theirs, again, mine = [
            await ask.by(c, operation) for c in (ann.client, ann.client, bob.client)
        ]

        assert again.headers.get("idempotent-replayed") == "true", (name, again.body)
        assert mine.status in operation.good, (name, mine.body)
        assert "idempotent-replayed" not in mine.headers, name
        assert name == "execute_tool" or mine.body != theirs.body, name  # one clock for both


async def test_another_runs_key_leads_nobody_to_it(place: Town, document: Document) -> None:
    ann, bob = await _person(place, "member"), await place.client(place.bob)
    operation = document.operations["cancel_run"]
    ask = await REQUESTS["cancel_run"](place, ann.user)
    ask = ask._replace(headers={"Idempotency_Key": "one-key"})

    first = await ask.by(ann.client, operation)
    second = await ask.by(bob, operation)

    assert first.status == 202
    second.as_problem(404, "not_found")


async def test_tickets_for_what_is_anothers_open_nothing(place: Town) -> None:
    ann = await place.client(place.ann)
    answers = []
    for run_id in [(await place.talk(o)).run_id for o in (place.bob, place.far)] + [some_id()]:
        path = f"/api/v1/runs/{run_id}/events"
        made = await ann.post("/api/v1/tickets", {"for": path})
        assert made.status == 201
        opened = await place.house.nobody.get(f"{path}?ticket={made.json['ticket']}")
        opened.as_problem(404, "not_found")
        answers.append(opened.told(run_id))

    assert len(set(answers)) == 1
