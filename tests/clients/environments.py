"""An environment for each client, what runs in it, and what came of it as JUnit's XML."""

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PASSED_ON = ("PATH", "LANG", "TMPDIR")  # no proxies, no keys, no settings of the user's
QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false"}


@dataclass(frozen=True)
class Outcome:
    client: str
    version: str
    cases: int
    passed: int

    @property
    def row(self) -> str:
        return f"| {self.client} | {self.version} | {self.cases} | {self.passed} |"

    @property
    def is_good(self) -> bool:
        return 0 < self.cases == self.passed


class Client(Protocol):
    """`needs` is the command without which it cannot run."""

    package: str
    needs: str

    def run(self, place: Path, told: dict[str, str]) -> Outcome:
        """Install the newest into `place`, run its program with `told` in the environment."""
        ...


@dataclass(frozen=True)
class Python:
    package: str
    program: str
    needs: str = "uv"

    def run(self, place: Path, told: dict[str, str]) -> Outcome:
        python, report = place / "bin" / "python", place / "report.xml"
        _must("uv", "venv", "--quiet", "--python", sys.executable, str(place), "--allow-existing")
        _must("uv", "pip", "install", "--quiet", "--python", str(python), self.package, "pytest")
        _run(
            place,
            told,
            *(str(python), "-m", "pytest", "-c", os.devnull, "--rootdir", str(HERE), "-q"),
            *("--confcutdir", str(HERE), "-p", "no:cacheprovider", "--tb=short"),
            *(f"--junit-xml={report}", str(HERE / self.program)),
        )
        show = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
        version = _must(str(python), "-c", show, self.package)
        return _outcome(f"{self.package} (Python)", version.strip(), report)


@dataclass(frozen=True)
class Node:
    package: str
    program: str
    needs: str = "npm"

    def run(self, place: Path, told: dict[str, str]) -> Outcome:
        report = place / "report.xml"
        quiet = ("--no-audit", "--no-fund", "--silent", "--prefix", str(place))
        _must("npm", "install", *quiet, self.package, "zod")
        program = shutil.copy(HERE / self.program, place)
        _run(
            place,
            told,
            *("node", "--test", "--test-reporter=spec", "--test-reporter-destination=stdout"),
            *("--test-reporter=junit", f"--test-reporter-destination={report}", str(program)),
        )
        about = json.loads((place / "node_modules" / self.package / "package.json").read_text())
        return _outcome(f"{self.package} (Node)", about["version"], report)


CLIENTS: dict[str, Client] = {
    "openai-python": Python("openai", "with_openai.py"),
    "openai-node": Node("openai", "with_openai.mjs"),
    "litellm": Python("litellm", "with_litellm.py"),
    "langchain-openai": Python("langchain-openai", "with_langchain.py"),
}


def _must(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _run(place: Path, told: dict[str, str], *command: str) -> None:
    """Run a program, whose verdict is in its report, with its output shown."""
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env=environ | QUIET | told | {"HOME": str(place), "PYTHONDONTWRITEBYTECODE": "1"},
    )


def _outcome(client: str, version: str, report: Path) -> Outcome:
    """Without a report nothing was run."""
    tree = ET.parse(report) if report.exists() else ET.ElementTree(ET.Element("none"))  # noqa: S314  # our own
    cases = tree.findall(".//testcase")
    passed = [case for case in cases if not len(case)]
    return Outcome(client, version, len(cases), len(passed))
