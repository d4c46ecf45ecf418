"""For each operation a request that succeeds for whoever may make it, with what it is about."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from polyagent.adapters.memory.task_rows import Stored
from polyagent.domain.account import User
from polyagent.domain.ids import new_id
from tests.api.client import Answer, Client
from tests.api.forms import form
from tests.api.matrix.document import Operation
from tests.api.matrix.town import PASSWORD, Town


class Ask(NamedTuple):
    """`about` fills the path."""

    about: Mapping[str, Any] = MappingProxyType({})
    json: Any = None
    headers: Mapping[str, str] = MappingProxyType({})
    content: bytes = b""

    def path(self, operation: Operation) -> str:
        return operation.path.format(**self.about)

    async def by(self, client: Client, operation: Operation, **changes: Any) -> Answer:
        ask = self._replace(**changes)
        return await client.request(
            operation.method,
            ask.path(operation),
            json=ask.json,
            content=ask.content,
            headers=ask.headers,
        )


Make = Callable[[Town, User], Awaitable[Ask]]


def _plain(**about: Any) -> Make:
    async def make(_: Town, __: User) -> Ask:
        return Ask(about)

    return make


def _says(body: Callable[[], Any]) -> Make:
    async def make(_: Town, __: User) -> Ask:
        return Ask(json=body())

    return make


def _of_agent(body: Callable[[], Any] = lambda: None, **about: Any) -> Make:
    async def make(town: Town, user: User) -> Ask:
        return Ask({"agent_id": (await town.agent(user)).id, **about}, body())

    return make


def _of_talk(body: Any = None) -> Make:
    async def make(town: Town, user: User) -> Ask:
        return Ask((await town.talk(user))._asdict(), body)

    return make


def _of_task(status: Stored = "queued") -> Make:
    async def make(town: Town, user: User) -> Ask:
        return Ask({"task_id": await town.task(user, status)})

    return make


def _of_schedule(body: Callable[[], Any] = lambda: None) -> Make:
    async def make(town: Town, user: User) -> Ask:
        return Ask({"schedule_id": await town.schedule(user)}, body())

    return make


def _of_user(body: Any = None) -> Make:
    async def make(town: Town, user: User) -> Ask:
        somebody = await town.user("viewer", workspace_id=user.workspace_id)
        return Ask({"user_id": somebody.id}, body)

    return make


def _newcomer(**more: Any) -> Make:
    def body() -> Any:
        name = f"n-{new_id().hex}"
        return {
            "username": name,
            "email": f"{name}@house.example",
            "password": PASSWORD,
            **more,
        }

    return _says(body)


def _email() -> str:
    return f"{new_id().hex}@house.example"


async def _log_in(town: Town, _: User) -> Ask:
    return Ask(json={"username": town.ann.username, "password": PASSWORD})


async def _refresh(town: Town, _: User) -> Ask:
    return Ask(json={"refresh_token": (await town.logs_in(town.ann))[1]})


async def _delete_key(town: Town, user: User) -> Ask:
    return Ask({"key_id": (await town.key(user, "chat")).id})


async def _fork(town: Town, user: User) -> Ask:
    talk = await town.talk(user)
    return Ask({"session_id": talk.session_id}, {"message_id": str(talk.message_id)})


async def _ticket(town: Town, user: User) -> Ask:
    return Ask(json={"for": f"/api/v1/runs/{(await town.talk(user)).run_id}/events"})


async def _model(town: Town, user: User) -> Ask:
    return Ask({"model_id": f"agent/{(await town.agent(user)).id}"})


async def _complete(town: Town, user: User) -> Ask:
    model = f"agent/{(await town.agent(user)).id}"
    return Ask(json={"model": model, "messages": [{"role": "user", "content": "hi"}]})


async def _chat(town: Town, user: User) -> Ask:
    talk, agent = await town.talk(user), await town.agent(user)
    parts = [{"type": "text", "text": "hi"}]
    body = {"message": parts, "session_id": str(talk.session_id), "agent_id": str(agent.id)}
    return Ask(json={**body, "model_settings": {"temperature": 0}})


def _new_agent() -> Any:
    return {"name": f"a-{new_id().hex}", "limits": {"max_steps": 3}, "model_settings": {}}


def _of_webhook(body: Any = None) -> Make:
    async def make(town: Town, user: User) -> Ask:
        webhook_id, delivery_id = await town.webhook(user)
        return Ask({"webhook_id": webhook_id, "delivery_id": delivery_id}, body)

    return make


def _new_webhook() -> Any:
    return {"url": "https://192.0.1.1/hook", "events": ["*"]}


def _new_task() -> Any:
    return {"kind": "rests", "delay_s": 3600}


def _new_schedule() -> Any:
    when = {"cron": "30 7 * * 1-5", "timezone": "Europe/Berlin"}
    return {"name": f"s-{new_id().hex}", **when, "task": {"kind": "rests"}}


async def _of_document(town: Town, user: User) -> Ask:
    return Ask({"document_id": await town.document(user)})


async def _index(town: Town, user: User) -> Ask:
    return Ask(json={"document_ids": [str(await town.document(user))]})


async def _upload(_: Town, __: User) -> Ask:
    content, content_type = form(file=("a.txt", new_id().hex.encode()))
    return Ask(content=content, headers={"content_type": content_type})


REQUESTS: dict[str, Make] = {
    "log_in": _log_in,
    "register": _newcomer(),
    "refresh_login": _refresh,
    "get_health": _plain(),
    "get_liveness": _plain(),
    "get_readiness": _plain(),
    "get_metrics": _plain(),
    "get_problem": _plain(code="not_found"),
    "read_usage": _plain(),
    "read_task_stats": _plain(),
    "list_schedules": _plain(),
    "create_schedule": _says(_new_schedule),
    "get_schedule": _of_schedule(),
    "replace_schedule": _of_schedule(_new_schedule),
    "update_schedule": _of_schedule(lambda: {"catch_up": "one"}),
    "delete_schedule": _of_schedule(),
    "pause_schedule": _of_schedule(),
    "resume_schedule": _of_schedule(),
    "trigger_schedule": _of_schedule(),
    "list_webhooks": _plain(),
    "create_webhook": _says(_new_webhook),
    "get_webhook": _of_webhook(),
    "update_webhook": _of_webhook({"description": "new"}),
    "delete_webhook": _of_webhook(),
    "rotate_webhook_secret": _of_webhook(),
    "test_webhook": _of_webhook(),
    "list_webhook_deliveries": _of_webhook(),
    "redeliver_webhook": _of_webhook(),
    "list_tasks": _plain(),
    "create_task": _says(_new_task),
    "get_task": _of_task(),
    "cancel_task": _of_task(),
    "retry_task": _of_task("dead"),
    "upload_document": _upload,
    "list_documents": _plain(),
    "get_document": _of_document,
    "delete_document": _of_document,
    "get_document_content": _of_document,
    "list_document_chunks": _of_document,
    "index_documents": _index,
    "log_out": _plain(),
    "get_profile": _plain(),
    "update_profile": _says(lambda: {"email": _email()}),
    "replace_profile": _says(lambda: {"email": _email(), "settings": {}}),
    "list_users": _plain(),
    "create_user": _newcomer(role="viewer"),
    "get_user": _of_user(),
    "update_user": _of_user({"role": "member"}),
    "delete_user": _of_user(),
    "list_audit_entries": _plain(),
    "list_api_keys": _plain(),
    "create_api_key": _says(lambda: {"name": "ci", "scopes": ["chat"]}),
    "delete_api_key": _delete_key,
    "list_agents": _plain(),
    "get_agent": _of_agent(),
    "list_agent_versions": _of_agent(),
    "create_agent": _says(_new_agent),
    "replace_agent": _of_agent(_new_agent),
    "update_agent": _of_agent(lambda: {"description": "new", "limits": {"max_steps": 3}}),
    "delete_agent": _of_agent(),
    "restore_agent_version": _of_agent(number=1),
    "list_tools": _plain(),
    "get_tool": _plain(name="calculator"),
    "search_documents": _says(lambda: {"query": "bees"}),
    "execute_tool": _says(lambda: {"name": "current_time", "arguments": {}}),
    "create_ticket": _ticket,
    "list_sessions": _plain(),
    "get_session": _of_talk(),
    "update_session": _of_talk({"title": "new"}),
    "delete_session": _of_talk(),
    "fork_session": _fork,
    "list_messages": _of_talk(),
    "send_chat": _chat,
    "stream_chat": _chat,
    "create_run": _chat,
    "list_runs": _plain(),
    "get_run": _of_talk(),
    "cancel_run": _of_talk(),
    "list_run_events": _of_talk(),
    "list_models": _plain(),
    "get_model": _model,
    "complete_chat": _complete,
}
