"""The command as a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from polyagent import __version__

LIMIT_S = 60


def run(*words: str, tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    named = {"DATABASE_URL", "REDIS_URL", "PYTHON_AI_URL", "JWT_SECRET"}
    outer = {name: value for name, value in os.environ.items() if name not in named}
    env = {**outer, "COLUMNS": "80", "POLYAGENT_DATA_DIR": str(tmp_path), **environ}
    command = [sys.executable, "-m", "polyagent", *words]
    return subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


@pytest.mark.parametrize("words", [["version"], ["--version"]])
def test_the_version_is_said(tmp_path: Path, words: list[str]) -> None:
    result = run(*words, tmp_path=tmp_path)

    assert (result.returncode, result.stdout) == (0, f"polyagent {__version__}\n")


def test_help_names_every_command_for_people(tmp_path: Path) -> None:
    result = run("--help", tmp_path=tmp_path)

    assert result.returncode == 0
    for command in (
        "up",
        "down",
        "serve",
        "worker",
        "chat",
        "doctor",
        "admin",
        "config",
        "migrate",
    ):
        assert f" {command} " in result.stdout
    assert "prepare" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_help_imports_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from polyagent.adapters.cli.main import cli\n"
        "cli(['--help'], standalone_mode=False)\n"
        "heavy = {'litestar', 'sqlalchemy', 'asyncpg', 'granian', 'redis', 'httpx', 'dishka'}\n"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )

    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )

    assert (result.returncode, result.stderr) == (0, "")


def test_config_show_prints_yaml_that_says_what_came_from_where(tmp_path: Path) -> None:
    result = run(
        *("config", "show"),
        tmp_path=tmp_path,
        POLYAGENT_SERVER__PORT="9000",
        REDIS_URL="redis://:hidden@cache/0",
    )

    assert result.returncode == 0
    assert "  port: 9000 # environment variable POLYAGENT_SERVER__PORT\n" in result.stdout
    assert '  url: "redis://:***@cache/0" # environment variable REDIS_URL\n' in result.stdout
    assert "hidden" not in result.stdout


def test_what_config_show_prints_is_a_configuration_file(tmp_path: Path) -> None:
    shown = tmp_path / "shown.yaml"
    shown.write_text(run("config", "show", tmp_path=tmp_path).stdout)

    again = run("config", "show", "--config", str(shown), tmp_path=tmp_path)

    assert again.returncode == 0


def test_a_wrong_setting_is_exit_code_3_and_one_line(tmp_path: Path) -> None:
    result = run("config", "show", tmp_path=tmp_path, POLYAGENT_SERVER__PORT="abc")

    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == (
        "polyagent: server.port is 'abc', but must be a whole number from 0 to 65535 "
        "(environment variable POLYAGENT_SERVER__PORT).\n"
    )


def test_wrong_usage_is_exit_code_2(tmp_path: Path) -> None:
    assert run("up", "--nonsense", tmp_path=tmp_path).returncode == 2
