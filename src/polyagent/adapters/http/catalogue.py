"""Every code that a client can meet: its status, and what to do about it.

The status of a code that only runs report is the one that it would have as an answer.
"""

import msgspec


class Entry(msgspec.Struct, frozen=True):
    status: int
    advice: str


CATALOGUE: dict[str, Entry] = {
    "invalid_request": Entry(
        400, "The request is malformed. `errors` points at what is wrong in its body: change that."
    ),
    "cursor_invalid": Entry(
        400, "The cursor is not one that this list or this run gave. Begin without one."
    ),
    "host_refused": Entry(
        400,
        "The header `Host` names no host of this server. Its operator lists them: `server.hosts`.",
    ),
    "password_common": Entry(
        400, "Everybody tries this password first. Choose another, the longer the better."
    ),
    "unauthenticated": Entry(
        401, "Send `Authorization: Bearer <token>` with a token of POST /api/v1/users/login."
    ),
    "bad_credentials": Entry(401, "The name or the password is wrong."),
    "token_expired": Entry(401, "Log in again: the token has served its time."),
    "refresh_token_reused": Entry(
        401, "This refresh token had been used: whoever holds its successor is logged out. Log in."
    ),
    "forbidden": Entry(403, "Your role does not allow this. Ask an administrator."),
    "scope_missing": Entry(403, "The API key lacks a scope. Make a key that has it."),
    "registration_closed": Entry(
        403, "Accounts are made by an administrator here: auth.registration."
    ),
    "not_found": Entry(404, "There is no such thing, or it is not yours."),
    "method_not_allowed": Entry(405, "The header `Allow` lists the methods of this address."),
    "not_acceptable": Entry(406, "Change `Accept`: the answer has none of the types it names."),
    "request_timeout": Entry(408, "The body came too slowly. Send it again."),
    "conflict": Entry(409, "It contradicts what is there. Read that again and decide."),
    "name_taken": Entry(409, "Choose another name: this one is in use."),
    "agent_inactive": Entry(
        409, "The agent is inactive or archived. Make it active, or name another."
    ),
    "agent_gone": Entry(
        409, "The agent of the session is gone. Name another by `agent_id` or `agent_type`."
    ),
    "last_administrator": Entry(409, "Make somebody else an administrator first."),
    "session_busy": Entry(
        409, "The session has a run. Wait for its end, or use the policy `enqueue`."
    ),
    "in_progress": Entry(
        409, "The first request under this key is at work. Ask again after `Retry-After`."
    ),
    "task_finished": Entry(409, "The task has ended otherwise: there is nothing left to change."),
    "run_finished": Entry(409, "The run has ended: there is nothing left to change."),
    "precondition_failed": Entry(
        412, "Somebody else changed it first. Read it again, and repeat your change on that."
    ),
    "too_large": Entry(413, "The body is larger than the server takes. Send less at once."),
    "quota_exceeded": Entry(413, "You keep as much as a user may: delete documents first."),
    "document_type_unsupported": Entry(
        415, "Documents are pdf, docx, pptx, xlsx, csv, md, html, txt, json or eml, by their bytes."
    ),
    "unsupported_media_type": Entry(415, "Send JSON, with `Content-Type: application/json`."),
    "url_too_long": Entry(414, "The address is longer than 8 kB. Send long things in the body."),
    "headers_too_large": Entry(431, "The headers are larger than 32 kB in all. Send less of them."),
    "unprocessable": Entry(422, "The request is well-formed, but it cannot be done as it stands."),
    "kind_unknown": Entry(
        422,
        "No process of this server knows tasks of this kind. Its operator adds kinds by `--app`.",
    ),
    "tool_unknown": Entry(422, "GET /api/v1/tools lists the tools that there are."),
    "cron_invalid": Entry(
        422,
        "Give five fields (minute, hour, day of the month, month, day of the week), or @daily and "
        "its like, that some day fire.",
    ),
    "timezone_unknown": Entry(422, "Name a zone of the IANA database: Europe/Berlin, or UTC."),
    "event_unknown": Entry(422, "The detail lists the events that webhooks hear of; `*` is all."),
    "model_unknown": Entry(422, "The model service has no such model. Name another, or none."),
    "modality_unsupported": Entry(422, "The model does not take this kind of content."),
    "address_refused": Entry(
        422, "The server may not go to this address: it must be http(s) and public."
    ),
    "fetch_failed": Entry(422, "The address gave nothing. Open it yourself, and correct it."),
    "fetch_timed_out": Entry(422, "The address answered too slowly. Send its content instead."),
    "answer_too_large": Entry(422, "The address answered more than the server takes."),
    "answer_unusable": Entry(422, "The address answered what the server cannot use."),
    "image_unusable": Entry(422, "Send a PNG, JPEG, GIF or WebP image."),
    "image_too_large": Entry(422, "Send a smaller image, or fewer: the detail says the limit."),
    "not_supported": Entry(422, "A later version will do this."),
    "idempotency_key_reused": Entry(
        422, "The key stands for another request. Use a new one for each thing that you ask."
    ),
    "rate_limited": Entry(429, "Try again after the seconds in `Retry-After`."),
    "limited": Entry(429, "Too much is open at once. Close some of it, or try again later."),
    "unavailable": Entry(503, "Something that the server needs is away. Try again later."),
    "store_unavailable": Entry(503, "The database is away. Try again after `Retry-After`."),
    "storage_unavailable": Entry(
        503, "The storage of documents is away. Try again after `Retry-After`."
    ),
    "stopping": Entry(503, "This process is about to end. Try again: another takes over."),
    "overloaded": Entry(503, "The server has too much to do. Try again after `Retry-After`."),
    "model_service_missing": Entry(
        503, "The server has no model service: its operator sets PYTHON_AI_URL."
    ),
    "model_service_unavailable": Entry(
        503, "The model service did not answer. Try again after `Retry-After`."
    ),
    "model_service_broken": Entry(503, "The model service's answer broke off. Ask again."),
    "model_service_refused": Entry(
        422, "The model service refuses the request; the detail says why."
    ),
    "context_exceeded": Entry(422, "The prompt does not fit the model. Say less, or begin anew."),
    "tools_refused": Entry(
        422, "The model takes no tools. Use another model, or an agent without."
    ),
    "limit_reached": Entry(422, "A limit of the agent ended the run. Raise it, or ask for less."),
    "response_format_violated": Entry(
        422,
        "The model did not keep to `response_format`. Simplify the schema, or name another model.",
    ),
    "tool_in_doubt": Entry(
        409, "A tool may have run before a failure. Look at what it did before you ask again."
    ),
    "task_failed": Entry(500, "An attempt at the task failed. The server's log has the rest."),
    "task_given_up": Entry(
        422, "The task can never succeed as it is: change it, and enqueue anew."
    ),
    "document_damaged": Entry(422, "The document cannot be read. Make it anew, and upload that."),
    "document_encrypted": Entry(422, "Take the password off the document, and upload it again."),
    "document_too_complex": Entry(
        422, "To read the document takes too much memory or time. Upload it in parts."
    ),
    "no_text": Entry(
        422,
        "The document is empty, or pictures of text. Have its text recognised, and upload that.",
    ),
    "blob_gone": Entry(422, "What was uploaded is lost. Upload it again."),
    "index_lost": Entry(
        500, "The task that was to index the document ended without having done so. Index it again."
    ),
    "task_timed_out": Entry(422, "An attempt took longer than the task's `timeout_s`: allow more."),
    "task_poisoned": Entry(
        500,
        "The processes that worked on the task ended, again and again. Report it to the operator.",
    ),
    "in_doubt": Entry(
        409, "The task may have taken effect before a failure. Look, and then try it again by hand."
    ),
    "delivery_failed": Entry(
        503, "The receiver did not take what it was sent. It is tried again, up to a day and more."
    ),
    "receiver_gone": Entry(
        422, "The receiver answered 410. Correct the webhook's `url`, and make it active again."
    ),
    "seal_broken": Entry(
        422, "The secret that sealed the webhook's own is gone. Rotate the webhook's secret."
    ),
    "worker_lost": Entry(503, "The process that worked on the task ended. It is tried again."),
    "handed_back": Entry(503, "The process that worked on the task had to stop. Another goes on."),
    "owner_gone": Entry(403, "The task's owner is gone, or may not act any more."),
    "result_unstorable": Entry(422, "The task's result cannot be stored: let it return less."),
    "cancelled": Entry(409, "It was cancelled before it ended."),
    "run_poisoned": Entry(500, "Three processes died with this run. Report it to the operator."),
    "run_unreadable": Entry(
        500, "Another version of the server left something that this one cannot read. Ask anew."
    ),
    "internal_error": Entry(500, "A defect of the server. Its operator finds it by `request_id`."),
}


def title(code: str) -> str:
    return code.replace("_", " ").capitalize()


def entry(code: str) -> Entry:
    """Return what is said of a code; what clients should never meet is a defect of ours."""
    return CATALOGUE.get(code, CATALOGUE["internal_error"])
