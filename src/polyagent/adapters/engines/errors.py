from polyagent.domain.errors import PolyAgentError


class EngineError(PolyAgentError):
    """`up` cannot start or cannot go on; the detail is one line for the person who called it."""

    code = "engine_error"
