"""What docs/library.md shows runs, and what it promises stays."""

import difflib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from polyagent import app
from polyagent.app.providers import UseCaseProvider
from polyagent.usecases.deliver_webhook import DeliverWebhook
from polyagent.usecases.documents.embed import EmbedDocuments
from polyagent.usecases.documents.ingest import IngestDocument
from polyagent.usecases.documents.passage_search import PassageSearch
from polyagent.usecases.documents.sweep_blobs import SweepBlobs
from polyagent.usecases.execute_run import ExecuteRun
from polyagent.usecases.fire_schedules import FireSchedules
from polyagent.usecases.oversight import Oversight
from polyagent.usecases.trust import Trust
from polyagent.usecases.verify_password import PasswordCheck
from polyagent.usecases.welcome import WelcomeStranger
from tests.docs.names import PAGE, SNAPSHOT, outline, promised

BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
FILES = {found[1]: block for block in BLOCKS if (found := re.match(r"# (\w+\.py)\n", block))}
PROGRAMS = [block for block in BLOCKS if block not in FILES.values()]

PARTS = {
    *(DeliverWebhook, EmbedDocuments, ExecuteRun, FireSchedules, IngestDocument, Oversight),
    *(PassageSearch, PasswordCheck, SweepBlobs, Trust, WelcomeStranger),
}
"""What use cases are made of, and what executes runs and does tasks."""
SAID = [
    "completed You said: What is the capital of France?",
    "You said: What is my name?",
    "[('user', 'What is the sea?'), ('assistant', 'You said: What is the sea?')]",
    "lease.txt three months True\nlease.txt a year False\n",
    "succeeded Reminded Ann under ",
    "{'results': [{'title': 'Holidays', 'url': 'https://intranet/holidays', 'snippet': 'Thirty days.'}]",
    "Noted.",
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_of_the_page_says_what_it_should(place: Path, number: int) -> None:
    done = run(place, "-W", "error::ResourceWarning", "-c", PROGRAMS[number])

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(SAID[number])


def test_the_tests_of_the_page_pass(place: Path) -> None:
    done = run(place, "-m", "pytest", "-q", "-p", "no:valkey", "-p", "no:cacheprovider")

    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_tools_of_the_page_are_shown(place: Path) -> None:
    done = run(place, "-m", "polyagent", "tools", "--app", "shop:app")

    assert re.search(r"^order_status +function +read +Tells where", done.stdout, re.MULTILINE)
    assert re.search(r"^cancel_order +function +write +Cancels", done.stdout, re.MULTILINE)


def test_what_the_page_promises_is_as_it_was() -> None:
    before, now = SNAPSHOT.read_text().splitlines(), outline().splitlines()

    changes = "\n".join(difflib.unified_diff(before, now, "as promised", "now", lineterm="", n=1))

    assert not changes, f"{changes}\n\nIf that is meant: python -m tests.docs.names"


def test_the_page_lists_every_use_case_and_only_names_of_the_door() -> None:
    names = promised()
    listed = {f"{module}.{name}" for module, found in names.items() for name in found}
    kinds = {factory.provides.type_hint for factory in UseCaseProvider().factories} - PARTS
    use_cases = {
        f"{kind.__module__}.{kind.__name__}"
        for kind in kinds
        if kind.__module__.startswith("polyagent.usecases")
    }

    assert use_cases <= listed
    assert set(names["polyagent.app"]) <= set(app.__all__)


def test_all_that_the_door_offers_is_there() -> None:
    assert [name for name in app.__all__ if not hasattr(app, name)] == []
