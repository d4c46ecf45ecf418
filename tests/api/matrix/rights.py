"""Who may do what, written from the contract and not from the code.

The least role that an operation takes, and the scope that an API key needs for it.
"""

from typing import NamedTuple

from polyagent.domain.account import Role

ROLES: tuple[Role, ...] = ("viewer", "member", "admin")
ANY_KEY = "any key"
NO_KEY = "no key"


class Right(NamedTuple):
    """`role` None: anybody, nobody included. `scope` ANY_KEY: each key has it; NO_KEY: none has."""

    role: Role | None
    scope: str = ANY_KEY


ANYBODY = Right(None)
CHATS = Right("viewer", "chat")
READS_AGENTS = Right("viewer", "agents:read")
MAKES_AGENTS = Right("member", "agents:write")
READS_TASKS = Right("viewer", "tasks:read")
READS_DOCUMENTS = Right("viewer", "documents:read")
MAKES_DOCUMENTS = Right("member", "documents:write")
MAKES_TASKS = Right("member", "tasks:write")
LOGGED_IN = Right("viewer", NO_KEY)
ENDS_LOGIN = Right("viewer", NO_KEY)
MAKES_KEYS = Right("member", NO_KEY)
RULES = Right("admin", "admin")

RIGHTS: dict[str, Right] = {
    "log_in": ANYBODY,
    "register": ANYBODY,
    "refresh_login": ANYBODY,
    "get_health": ANYBODY,
    "get_liveness": ANYBODY,
    "get_readiness": ANYBODY,
    "get_metrics": ANYBODY,
    "get_problem": ANYBODY,
    "read_usage": CHATS,
    "read_task_stats": READS_TASKS,
    "list_schedules": READS_TASKS,
    "create_schedule": MAKES_TASKS,
    "get_schedule": READS_TASKS,
    "replace_schedule": MAKES_TASKS,
    "update_schedule": MAKES_TASKS,
    "delete_schedule": MAKES_TASKS,
    "pause_schedule": MAKES_TASKS,
    "resume_schedule": MAKES_TASKS,
    "trigger_schedule": MAKES_TASKS,
    "list_webhooks": READS_TASKS,
    "create_webhook": MAKES_TASKS,
    "get_webhook": READS_TASKS,
    "update_webhook": MAKES_TASKS,
    "delete_webhook": MAKES_TASKS,
    "rotate_webhook_secret": MAKES_TASKS,
    "test_webhook": MAKES_TASKS,
    "list_webhook_deliveries": READS_TASKS,
    "redeliver_webhook": MAKES_TASKS,
    "list_tasks": READS_TASKS,
    "create_task": MAKES_TASKS,
    "get_task": READS_TASKS,
    "cancel_task": MAKES_TASKS,
    "retry_task": MAKES_TASKS,
    "upload_document": MAKES_DOCUMENTS,
    "list_documents": READS_DOCUMENTS,
    "get_document": READS_DOCUMENTS,
    "delete_document": MAKES_DOCUMENTS,
    "get_document_content": READS_DOCUMENTS,
    "list_document_chunks": READS_DOCUMENTS,
    "index_documents": MAKES_DOCUMENTS,
    "log_out": ENDS_LOGIN,
    "get_profile": Right("viewer", ANY_KEY),
    "update_profile": LOGGED_IN,
    "replace_profile": LOGGED_IN,
    "list_users": RULES,
    "create_user": RULES,
    "get_user": RULES,
    "update_user": RULES,
    "delete_user": RULES,
    "list_audit_entries": RULES,
    "list_api_keys": MAKES_KEYS,
    "create_api_key": MAKES_KEYS,
    "delete_api_key": MAKES_KEYS,
    "list_agents": READS_AGENTS,
    "get_agent": READS_AGENTS,
    "list_agent_versions": READS_AGENTS,
    "create_agent": MAKES_AGENTS,
    "replace_agent": MAKES_AGENTS,
    "update_agent": MAKES_AGENTS,
    "delete_agent": MAKES_AGENTS,
    "restore_agent_version": MAKES_AGENTS,
    "list_tools": READS_AGENTS,
    "get_tool": READS_AGENTS,
    "search_documents": Right("viewer", "documents:read"),
    "execute_tool": Right("member", "tools:execute"),
    "create_ticket": CHATS,
    "list_sessions": CHATS,
    "get_session": CHATS,
    "update_session": CHATS,
    "delete_session": CHATS,
    "fork_session": CHATS,
    "list_messages": CHATS,
    "send_chat": CHATS,
    "stream_chat": CHATS,
    "create_run": CHATS,
    "list_runs": CHATS,
    "get_run": CHATS,
    "cancel_run": CHATS,
    "list_run_events": CHATS,
    "list_models": CHATS,
    "get_model": CHATS,
    "complete_chat": CHATS,
}


FRAMES = {"auth", "chat", "watch", "unwatch", "cancel", "approve", "ping"}
"""What clients say over a socket: it takes no more than the socket itself, which is CHATS."""


class Bearer(NamedTuple):
    """What a credential stands for: `family` of a login, `scopes` None: all, `refused` the code of its 401."""

    role: Role = "viewer"
    scopes: frozenset[str] | None = None
    refused: str | None = None
    family: bool = True


def verdict(right: Right, bearer: Bearer) -> tuple[int, str] | None:
    """Return the status and code of the refusal; None if the operation is to succeed."""
    if right.role is None:
        return None
    if bearer.refused is not None:
        return 401, bearer.refused
    if ROLES.index(bearer.role) < ROLES.index(right.role):
        return 403, "forbidden"
    if right is ENDS_LOGIN and bearer.scopes is None and not bearer.family:
        return 400, "invalid_request"
    if bearer.scopes is None or right.scope == ANY_KEY or right.scope in bearer.scopes:
        return None
    return 403, "scope_missing"
