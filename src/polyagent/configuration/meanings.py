"""What each setting means: the comments of configs/config.yaml."""

import re
from collections.abc import Mapping

from polyagent.configuration.sources import shipped

_SECTION = re.compile(r"(\w+):$")
_KEY = re.compile(r"( *)(\w+): .*? # (.+)$")


def meanings() -> Mapping[str, str]:
    """Return the one line that says what a key means, by key. Raises `SettingsError`."""
    section, found = "", {}
    for line in (shipped("configs") / "config.yaml").read_text("utf-8").splitlines():
        if opened := _SECTION.match(line):
            section = opened[1]
        elif described := _KEY.match(line):
            indent, name, meaning = described.groups()
            found[f"{section}.{name}" if indent else name] = meaning
    return found
