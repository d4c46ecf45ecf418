"""What types and routes cannot say for themselves: groups of operations, and what fields and their values mean."""

DESCRIPTION = """Chat, agents and tools over any model service, whose runs survive whoever dies.

Log in, then give the token back as `Authorization: Bearer <token>`; programs use API keys the same way.
Errors are problems (RFC 9457) with a stable `code`; `/problems/<code>` says what to do about it.

Lists come in pages: `next_cursor` of one, and its header `Link` with `rel="next"` (RFC 8288), lead to the
next. Answers and events may have fields, and streams may have types of events, that are not described
here: ignore what you do not know. Requests with fields that are not described here are refused, but
for those of the OpenAI protocol.
"""

TAGS = {
    "Chat": "Say something to an agent, and get its answer whole or as it is made.",
    "Runs": "Each answer of an agent is a run: it outlives the request, and can be followed from anywhere.",
    "OpenAI": "The same for clients of the OpenAI protocol; errors have its shape.",
    "Users": "Accounts, logins and your own profile.",
    "Audit": "What was done about access, and by whom.",
    "API keys": "For programs that act for you, within some of your rights.",
    "Agents": "Instructions, a model, tools and limits under a name.",
    "Tasks": "What is done later, in its turn, as often as it takes.",
    "Webhooks": "Where you hear of your runs and tasks, signed as Standard Webhooks says.",
    "Sessions": "Conversations, with what was said in them.",
    "Documents": "Files that people upload, and the text that agents answer from.",
    "Tools": "What agents can call.",
    "Schedules": "Tasks that are enqueued again and again, at the times of a cron expression.",
    "Tickets": "Credentials for one address, where a browser can send no header.",
    "Statistics": "What was used: yours, and for administrators everybody's.",
    "Operation": "For whoever runs the server.",
}

LATER = {"Ask.policy": ("interrupt", "steer")}
"""Values that are refused with 422 `not_supported` until they are built."""

_STATUS = (
    "`queued`: it waits for its session or for a worker. `running`: a process works on it. `waiting`: "
    "an approval is pending. `completed`, `failed` and `cancelled` are final."
)
_IN_DOUBT = (
    "What to do about a call of a `once` tool that a failure caught, so that nobody knows whether it "
    "took effect. `tell_model`: the model decides. `fail`: the run fails."
)
_AGENT_STATUS = "Only an `active` agent answers; `archived` says that it will not again."
_VISIBILITY = "`private`: its owner's alone. `shared`: everybody of the workspace may chat with it."
_EFFECT = (
    "`read`: changes nothing. `write`: may be done again without harm. `once`: is never done twice."
)
_ROLE = (
    "`viewer`: chats with shared agents. `member`: has agents and keys of its own. `admin`: manages "
    "the workspace."
)
_HEARD = (
    "`run.completed`, `run.failed`, `run.cancelled`, `run.waiting`, `task.succeeded`, `task.dead`, "
    "`task.cancelled`, or `*` for all."
)

_CRON = (
    "Five fields (minute, hour, day of the month, month, day of the week), or `@hourly`, `@daily`, "
    "`@midnight`, `@weekly`, `@monthly`, `@yearly`, `@annually`."
)
_TIMEZONE = "The IANA name of the zone that `cron` is read in, as `Europe/Berlin` or `UTC`."
_CATCH_UP = (
    "Of the times that pass while no worker runs: `skip` fires none that is over by more than a minute, "
    "`one` the last, `all` each."
)
_END_AT = "It fires until then, and then no more."

FIELDS = {
    "NewSchedule.cron": _CRON,
    "Schedule.cron": _CRON,
    "NewSchedule.timezone": _TIMEZONE,
    "Schedule.timezone": _TIMEZONE,
    "NewSchedule.catch_up": _CATCH_UP,
    "Schedule.catch_up": _CATCH_UP,
    "NewSchedule.end_at": _END_AT,
    "Schedule.end_at": _END_AT,
    "NewSchedule.enabled": "Not while it is paused.",
    "Schedule.enabled": "Not while it is paused.",
    "Schedule.next_fire_at": "Null: it is paused, or at its end.",
    "Schedule.next_fires": "The next five times, `next_fire_at` first.",
    "Schedule.last_fire_at": "The last of its times that fired.",
    "Schedule.last_task_id": "The task that this enqueued.",
    "Task.fire_at": "The time of its schedule that it was made for. Null: it was triggered by hand.",
    "Answer.status": _STATUS,
    "Run.status": _STATUS,
    "Run.attempt": "Grows when another process takes it over, or a step is tried again.",
    "Run.step": "How many steps are done; each is a model call and the calls of tools that it led to.",
    "Session.status": "`running`: one of its runs is. `waiting`: an approval is pending.",
    "NewAgent.in_doubt": _IN_DOUBT,
    "Agent.in_doubt": _IN_DOUBT,
    "NewAgent.status": _AGENT_STATUS,
    "Agent.status": _AGENT_STATUS,
    "NewAgent.visibility": _VISIBILITY,
    "Agent.visibility": _VISIBILITY,
    "NewAgent.approval": "By the name of a tool: when a person is asked before it is called.",
    "SearchDocuments.query": "What is looked for: a question, or words of the answer, in any language.",
    "SearchDocuments.collection": "Look in this collection only.",
    "SearchDocuments.document_ids": "Look in these documents only.",
    "SearchDocuments.mode": "`text` by words, `vector` by meaning, `hybrid` by both.",
    "FoundPassages.mode": "The one that was used: `text` where there are no vectors to search.",
    "FoundPassages.note": "What kept the search from being all that was asked for.",
    "Ask.document_ids": "Answer from these documents, in the place of the agent's.",
    "Ask.agent_type": "One of the workspace's built-in agents; `general` where no agent is named.",
    "Ask.policy": "Where the session has a run: `enqueue` waits for its end, `reject` answers 409.",
    "Ask.priority": "Of runs that wait for a worker, those with a higher one go first.",
    "Ask.session_id": "The conversation that this goes on; without it a new one begins.",
    "Ask.end_user": "Your application's own customer: limits and lists can be told apart by it.",
    "Ask.tools": "Those of the agent's tools that this run may use.",
    "NewTask.priority": "Of tasks that wait, those with a higher one go first; users take turns.",
    "NewTask.unique_key": "While a task of yours with this key is live there is no other.",
    "Task.status": (
        "`scheduled`: not before `next_attempt_at`. `queued`: it waits for a worker. `retrying`: it failed "
        "and is tried again at `next_attempt_at`. `dead`: it failed as often as it may."
    ),
    "Task.webhook_id": "It delivers something to this webhook.",
    "NewWebhook.events": _HEARD,
    "PatchWebhook.events": _HEARD,
    "Webhook.events": _HEARD,
    "MadeWebhook.events": _HEARD,
    "NewWebhook.secret": "`whsec_` and the base64 of 24 to 64 bytes; without it one is made.",
    "MadeWebhook.secret": "Signs what is sent. Absent where the same request is answered again.",
    "Webhook.failing_since": "No delivery has arrived from then on; after a day it is disabled.",
    "Delivery.message_id": "The header `webhook-id`: the same however often it is sent.",
    "Delivery.status": "A `dead` one has failed as often as it may.",
    "Document.status": (
        "`uploaded`: it waits to be indexed. `processing`: a worker indexes it. `failed`: `error` says why; "
        "what was found in it before still is."
    ),
    "Document.progress": "How far it is indexed, from 0 to 1.",
    "Document.sha256": "Of its bytes, in hexadecimal.",
    "Document.content_type": "By its content, not by its name.",
    "Document.visibility": "`private`: its owner's alone. `shared`: everybody of the workspace reads it.",
    "Chunk.n": "Its place in the document, from 0.",
    "Chunk.page": "From 1; null where there are no pages.",
    "Chunk.start": "The first of its characters in the text of the document, counted in code points.",
    "Chunk.end": "The first character behind it.",
    "Chunk.headings": "What it stands under, the outermost first.",
    "Chunk.tokens": "An estimate.",
    "IndexAgain.document_ids": "Null: all of your own.",
    "Tool.effect": _EFFECT,
    "ToolCall.effect": _EFFECT,
    "ToolCall.state": "`denied`: it was not allowed. `in_doubt`: nobody knows whether it took effect.",
    "Executed.state": "`failed`: `error` says what the tool or its arguments got wrong.",
    "RunResumed.reason": (
        "`takeover`: its process had died. `retry`: a model call broke off. `decision`: an approval was "
        "decided. `handover`: its process had to stop."
    ),
    "ToolCompleted.state": "`in_doubt`: nobody knows whether it took effect.",
    "Run.position": "Of a queued one: 1 + those before it in its session.",
    "NewUser.role": _ROLE,
    "User.role": _ROLE,
    "User.status": "A `suspended` user's credentials are good for nothing.",
    "Component.status": "`missing`: not configured. `detail` says what to do about all but `ok`.",
    "Health.status": "`degraded`: a component is not ok.",
    "ApiKey.prefix": "What the key begins with: enough to tell it by, not to use it.",
    "MadeApiKey.secret": "The whole key. Absent where the same request is answered again.",
    "Problem.code": "Stable: what programs decide by.",
    "Problem.type": "Leads to a page about the code.",
    "Problem.request_id": "What the operator finds the request by.",
    "Problem.run_id": "The run that failed.",
    "Fault.pointer": "The place in the body, as a URI fragment (RFC 6901).",
    "Tokens.expires_in": "The access token's life in seconds.",
}
