"""What CI runs: `nox` alone does all of it. `nox -l` lists the sessions."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

SUITES = {
    "unit": ["tests/unit"],
    "contract": [
        *("tests/contract", "tests/postgres", "tests/redis"),
        *("tests/openai", "tests/web", "tests/worker"),
    ],
    "api": ["tests/api"],
    "e2e": ["tests/e2e"],
    "docs": ["tests/docs"],
}
TWO = ("-n", "2")
SIDE_BY_SIDE = {
    "unit": TWO,
    "contract": TWO,
    "api": TWO,
    "e2e": (*TWO, "--dist", "loadfile"),  # tests of one file share their servers
    "docs": (*TWO, "--dist", "loadfile"),
}
TRACED = ("unit", "contract", "api")
"""What is looked at for coverage: servers that are traced take half as long again to start."""
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def runs(version: str) -> bool:
    """Say whether that Python is installed and starts (a version manager's shim may not)."""
    found = shutil.which(f"python{version}")
    return (
        bool(found)
        and not subprocess.run([str(found), "-c", ""], check=False, capture_output=True).returncode
    )


PYTHONS = [v for v in ("3.11", "3.12", "3.13", "3.14") if v == HERE or runs(v)]

nox.needs_version = ">=2026.2"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "layers", "types", "tests", "coverage", "build"]


def sync(session: nox.Session, *groups: str, place: Path | None = None) -> None:
    """Bring the session's environment, or the one at `place`, to what a fresh clone resolves to."""
    session.run_install(
        "uv",
        "sync",
        "--quiet",
        "--no-default-groups",
        *(option for group in groups for option in ("--group", group)),
        *("--python", str(session.python)),
        env={"UV_PROJECT_ENVIRONMENT": str(place or session.virtualenv.location)},
    )


def run_as_tests(session: nox.Session, *words: str, **env: str) -> None:
    """Run in the one environment of all tests of this Python: it is filled and compiled once."""
    place = Path(session.virtualenv.location).with_name(f"all-tests-{session.python}")
    sync(session, "dev", "local", place=place)
    session.run(
        *("uv", "run", "--no-sync", *words),
        env={"UV_PROJECT_ENVIRONMENT": str(place), **env},
        external=True,
    )


@nox.session(python=HERE)
def fmt(session: nox.Session) -> None:
    """Format the code and mend what a tool can mend."""
    sync(session, "lint")
    session.run("ruff", "format", ".")
    session.run("ruff", "check", "--fix", ".")


@nox.session(python=HERE)
def lint(session: nox.Session) -> None:
    """Check style, that what is generated is not stale, and that nothing breaks the last release's clients."""
    sync(session, "lint")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("python", "-m", "tests.docs.openapi", "--check")
    exported = Path(session.create_tmp()) / "requirements.lock"
    export(session, exported)
    if exported.read_text() != Path("requirements.lock").read_text():
        session.error("requirements.lock is stale: run `nox -s lock` and commit it")


@nox.session(python=HERE)
def lock(session: nox.Session) -> None:
    """Write requirements.lock: names, versions and hashes of what the server needs."""
    export(session, Path("requirements.lock"))


def export(session: nox.Session, target: Path) -> None:
    session.run_install(
        "uv",
        "export",
        "--quiet",
        "--no-default-groups",
        "--no-emit-project",
        "--no-header",
        "--no-annotate",
        "--output-file",
        str(target),
    )


@nox.session(python=HERE)
def layers(session: nox.Session) -> None:
    """Check who imports whom."""
    sync(session, "lint")
    session.run("lint-imports")


@nox.session(python=HERE)
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    sync(session, "lint", "dev", "nox", "bench")
    session.run("mypy")


@nox.session(python=PYTHONS)
@nox.parametrize("suite", list(SUITES), ids=list(SUITES))
def tests(session: nox.Session, suite: str) -> None:
    """Run one suite of tests; arguments go to pytest."""
    traced = ("coverage", "run", "-m") if suite in TRACED else ()
    run_as_tests(
        session,
        *(*traced, "pytest"),
        *SUITES[suite],
        *SIDE_BY_SIDE[suite],
        *session.posargs,
        COVERAGE_FILE=str(Path.cwd() / f".coverage.{session.python}.{suite}"),
    )


@nox.session(python=HERE)
def chaos(session: nox.Session) -> None:
    """Kill and trouble real processes under load, and check what came of it; -- --seed N repeats one.

    Then the same under a load of tasks; -- tasks --seed N: only that.
    """
    sync(session, "dev", "local")
    words = [*session.posargs]
    if words[:1] != ["tasks"]:
        session.run("python", "-m", "tests.chaos", *words)
    if words[:1] == ["tasks"] or not words:
        session.run("python", "-m", "tests.chaos.tasks", *words[1:])


@nox.session(python=HERE)
def fuzz(session: nox.Session) -> None:
    """Ask a real server what its OpenAPI document allows and what not, and its socket; -- --seed N repeats one."""
    sync(session, "dev", "local", "fuzz")
    session.run("python", "-m", "tests.fuzz", *session.posargs)


@nox.session(python=HERE)
def clients(session: nox.Session) -> None:
    """Try the newest clients of the OpenAI protocol that registries have; arguments go to `python -m tests.clients`."""
    sync(session, "dev")
    session.run("python", "-m", "tests.clients", *session.posargs)


@nox.session(python=HERE)
def browser(session: nox.Session) -> None:
    """Try the docs and the examples in a Chromium, which the machine must have; arguments go to pytest."""
    sync(session, "dev")
    session.run("pytest", "tests/browser", *session.posargs)


@nox.session(python=HERE)
def coverage(session: nox.Session) -> None:
    """Report what the tests of this run have reached; at least 90 % of the branches."""
    run_as_tests(session, "coverage", "combine", "--quiet", "--keep")
    run_as_tests(session, "coverage", "report", "--fail-under=90")


@nox.session(python=HERE)
def bench(session: nox.Session) -> None:
    """Measure what the server costs beside a bare pass-through; arguments go to `python -m bench`."""
    sync(session, "bench")
    session.run("python", "-m", "bench", *session.posargs)


@nox.session(python=HERE)
def engines(session: nox.Session) -> None:
    """Hold other engines of tasks against the contract of ours."""
    sync(session, "dev", "bench")
    session.run("python", "-m", "bench.engines", *session.posargs)


@nox.session(python=HERE)
def load(session: nox.Session) -> None:
    """Ask more than the server can do, by thousands and slowly; arguments go to `python -m tests.load`."""
    sync(session)
    session.run("python", "-m", "tests.load", *session.posargs)


@nox.session(python=HERE)
def build(session: nox.Session) -> None:
    """Build the wheel, and start the server from it in an empty environment."""
    dist = Path(session.create_tmp()).absolute() / "dist"
    session.run_install("uv", "build", "--quiet", "--wheel", "--out-dir", str(dist))
    (wheel,) = dist.glob("*.whl")
    session.run_install("uv", "pip", "install", "--quiet", str(wheel), "-r", "requirements.lock")
    script = str(Path("tests/wheel.py").absolute())
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with session.chdir(session.create_tmp()):
        session.run("python", "-I", script, env=env, include_outer_env=False)
