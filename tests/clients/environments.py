"""An environment for each client, made anew with what its registry has today, and its program's report in JUnit's XML."""

import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LIMIT_S = 300
PASSED_ON = ("PATH", "LANG", "TMPDIR")  # no proxies, no keys, no settings of the user's
QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LANGSMITH_TRACING": "false",
}  # else they call home
VERSION = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"


class Outcome(NamedTuple):
    client: str
    version: str
    cases: int
    passed: int


class Client(Protocol):
    """`runtime` is the command without which it cannot be tried."""

    @property
    def package(self) -> str: ...
    @property
    def runtime(self) -> str: ...

    def run(self, place: Path, environ: dict[str, str]) -> Outcome:
        """Install it into `place`, an empty folder, and run its program, whose output is shown."""
        ...


@dataclass(frozen=True)
class Python:
    """`bounds` are of the package's version."""

    package: str
    program: str
    bounds: str = ""
    runtime: str = "uv"

    def run(self, place: Path, environ: dict[str, str]) -> Outcome:
        python, report = str(place / "venv/bin/python"), place / "report.xml"
        _must(place, "uv", "venv", "--quiet", "--python", sys.executable, "venv")
        wanted = (f"{self.package}{self.bounds}", "pytest>=9,<10")
        _must(place, "uv", "pip", "install", "--quiet", "--python", python, *wanted)
        ours = ("-c", os.devnull, "--rootdir", str(ROOT), "--confcutdir", str(HERE))
        shown = ("-q", "--tb=short", "--disable-warnings", "-p", "no:cacheprovider")
        program = (f"--junit-xml={report}", str(HERE / self.program))
        _run(place, environ, python, "-m", "pytest", *ours, *shown, *program)
        version = _must(place, python, "-c", VERSION, self.package).strip()
        return _outcome(f"{self.package} (Python)", version, report)


@dataclass(frozen=True)
class Node:
    """`beside` is what its program needs, too."""

    package: str
    program: str
    beside: tuple[str, ...] = ()
    runtime: str = "npm"

    def run(self, place: Path, environ: dict[str, str]) -> Outcome:
        report = place / "report.xml"
        quiet = ("--no-audit", "--no-fund", "--silent", "--prefix", str(place))
        _must(place, "npm", "install", *quiet, self.package, *self.beside)
        program = shutil.copy(HERE / self.program, place)
        shown = ("--test-reporter=spec", "--test-reporter-destination=stdout")
        kept = ("--test-reporter=junit", f"--test-reporter-destination={report}")
        _run(place, environ, "node", "--test", *shown, *kept, str(program))
        about = json.loads((place / "node_modules" / self.package / "package.json").read_text())
        return _outcome(f"{self.package} (Node)", about["version"], report)


CLIENTS: dict[str, Client] = {
    "openai-python": Python("openai", "with_openai.py"),
    "openai-python-1": Python("openai", "with_openai.py", bounds=">=1.109,<2"),
    "openai-node": Node("openai", "with_openai.mjs", beside=("zod",)),
    "litellm": Python("litellm", "with_litellm.py"),
    "langchain-openai": Python("langchain-openai", "with_langchain.py"),
}


def _must(place: Path, *command: str) -> str:
    """Run a command that has to work; not in the repository, whose settings for packages are its own."""
    return subprocess.run(command, check=True, cwd=place, stdout=subprocess.PIPE, text=True).stdout


def _run(place: Path, told: dict[str, str], *command: str) -> None:
    """Run a program, whose verdict is in its report; one that hangs has none."""
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environ |= {"HOME": str(place), "PYTHONDONTWRITEBYTECODE": "1", **QUIET, **told}
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(command, check=False, cwd=ROOT, env=environ, timeout=LIMIT_S)


def _outcome(client: str, version: str, report: Path) -> Outcome:
    """Read a report; where there is none, no case was tried."""
    cases = ET.parse(report).findall(".//testcase") if report.exists() else []  # noqa: S314  # our own
    passed = [case for case in cases if not len(case)]
    return Outcome(client, version, len(cases), len(passed))
