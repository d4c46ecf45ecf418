from polyagent.domain.errors import ToolUnknown
from polyagent.domain.tool import Effect
from polyagent.ports.tools import Tools


def effect_of(tools: Tools, name: str) -> Effect:
    """Return a tool's effect; a name that is no tool does nothing."""
    try:
        return tools.get(name).effect
    except ToolUnknown:
        return "read"
