"""What the pages tell people to type is typed here, on the server that the first command starts."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import Up

ROOT = Path(__file__).parents[2]
RUN_PAGES = [
    "README.md",
    "README.zh-CN.md",
    "docs/getting-started.md",
    "docs/cli.md",
    "docs/agents.md",
    "docs/accounts.md",
    "docs/openai.md",
    "docs/streaming.md",
    "docs/operations.md",
    "docs/scheduling.md",
    "docs/documents.md",
    "docs/citations.md",
]
PAGES = [
    *RUN_PAGES,
    "examples/README.md",
    "docs/outbound.md",
    "docs/webhooks.md",
    "docs/from-outside.md",
    "docs/websocket.md",
    "docs/permissions.md",
    "docs/library.md",
    "docs/selftest.md",
    "docs/model-services.md",
    "docs/context.md",
    "docs/retrieval.md",
    "docs/architecture.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/benchmarks.md",
    "docs/security/README.md",
    "docs/security/asvs.md",
    "docs/overload.md",
]
MAKE_TARGETS = {
    *("deps", "fmt", "lint", "test", "test-coverage", "build"),
    *("run-gateway", "run-scheduler", "run-all"),
}


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with Up(None) as server:
        yield server


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", RUN_PAGES)
def test_every_command_of_a_page_works_in_its_order(up: Up, page: str, tmp_path: Path) -> None:
    script = "set -euo pipefail\n" + "\n".join(blocks(page, "bash"))
    script = script.replace("uv run polyagent", f"{shlex.quote(sys.executable)} -m polyagent")
    script = re.sub(r"(localhost|127\.0\.0\.1):8080", rf"\1:{up.port}", script)

    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=up.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert '"code":' not in done.stdout.replace('"code":null', "")
    assert "run.failed" not in done.stdout


@pytest.mark.parametrize(
    ("page", "number"), [("docs/websocket.md", 0), ("docs/websocket.md", 1), ("docs/openai.md", 0)]
)
def test_the_python_of_a_page_gets_an_answer(up: Up, page: str, number: int) -> None:
    program = blocks(page, "python")[number]

    done = subprocess.run(
        [sys.executable, "-c", program.replace("localhost:8080", f"localhost:{up.port}")],
        env=up.environ | {"TOKEN": up.token()},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_two_commands_are_the_ones_that_ci_and_strangers_run(page: str) -> None:
    up, test = blocks(page, "sh")[:2]

    assert up.strip() == "pip install uv && uv run polyagent up"
    assert test.strip() == "pip install uv && uv run nox"
    assert test.strip() in (ROOT / ".ci/run").read_text()


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_a_readme_maps_the_make_targets_of_the_original(page: str) -> None:
    mapped = set(re.findall(r"^\| `([a-z-]+)` \|", (ROOT / page).read_text(), re.MULTILINE))

    assert mapped >= MAKE_TARGETS


@pytest.mark.parametrize("page", PAGES)
def test_links_to_files_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    targets = [t for t in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in t]

    missing = [t for t in targets if not (ROOT / page).parent.joinpath(t).exists()]

    assert missing == []


def test_every_command_that_a_page_names_exists(up: Up) -> None:
    text = "".join((ROOT / page).read_text() for page in PAGES)
    named = set(re.findall(r"polyagent ([a-z]+)\b(?=[^a-z.]|$)", text)) - {"is", "has"}

    for name in sorted(named):
        assert up.run(name, "--help").returncode == 0, name
