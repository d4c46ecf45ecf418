"""What CI runs: `nox` alone does all of it. `nox -l` lists the sessions."""

import shutil
import sys
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
SUITES = {
    "unit": ["tests/unit"],
    "contract": ["tests/contract", "tests/postgres", "tests/redis", "tests/openai"],
    "api": ["tests/api"],
    "e2e": ["tests/e2e"],
    "docs": ["tests/docs"],
}

nox.needs_version = ">=2026.2"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["lint", "layers", "types", "tests", "coverage", "build"]


def installed(python: str) -> bool:
    return sys.version_info[:2] == tuple(map(int, python.split("."))) or bool(
        shutil.which(f"python{python}")
    )


def sync(session: nox.Session, *groups: str) -> None:
    """Bring the session's environment to what a fresh clone resolves to, and nothing else."""
    chosen = [option for group in groups for option in ("--group", group)]
    session.run_install(
        "uv",
        "sync",
        "--quiet",
        "--no-default-groups",
        *chosen,
        f"--python={session.virtualenv.location}",
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )


@nox.session(python="3.11")
def fmt(session: nox.Session) -> None:
    """Format the code."""
    sync(session, "lint")
    session.run("ruff", "format", ".")
    session.run("ruff", "check", "--fix", ".")
