"""docs/openapi.json: the document that the server gives, as a file of the repository.

python -m tests.docs.openapi            writes it anew
python -m tests.docs.openapi --check    says whether it is stale, and what it breaks since the last release
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.api.documented import document_of
from tests.api.house import SETTINGS, House
from tests.docs.breakage import breakages

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs/openapi.json"


def served() -> dict[str, Any]:
    """Return the document as the application would give it."""
    document: dict[str, Any] = document_of(House(SETTINGS).app)
    return document


def text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def is_stale() -> bool:
    return not FILE.exists() or FILE.read_text() != text(served())


def released() -> tuple[str, dict[str, Any]] | None:
    """Return the last release that is an ancestor of this commit, and its document; None before the first."""
    tag = _git("describe", "--tags", "--abbrev=0", "--match", "v*")
    if tag is None:
        return None
    found = _git("show", f"{tag.strip()}:{FILE.relative_to(ROOT).as_posix()}")
    return (tag.strip(), json.loads(found)) if found else None


def _git(*words: str) -> str | None:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def check() -> str | None:
    """Return what is wrong, if anything is."""
    if is_stale():
        return "docs/openapi.json is stale: run `python -m tests.docs.openapi` and commit it"
    if (last := released()) is None:
        sys.stdout.write("There is no release yet to compare docs/openapi.json with.\n")
        return None
    tag, before = last
    broken = breakages(before, served())
    return "\n".join([f"Clients of {tag} break:", *broken]) if broken else None


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(check())
    FILE.write_text(text(served()))
