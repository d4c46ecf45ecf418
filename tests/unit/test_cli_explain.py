import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from polyagent.adapters.cli.main import cli
from polyagent.configuration.keys import keys
from polyagent.configuration.meanings import meanings


class Shell:
    """Asks on one data directory; nothing of the outer environment counts."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        names = [name for name in os.environ if name.startswith("POLYAGENT_")]
        named = ("DATABASE_URL", "REDIS_URL", "PYTHON_AI_URL", "PYTHON_AI_KEY", "JWT_SECRET")
        self._env = dict.fromkeys((*names, *named), "") | {"POLYAGENT_DATA_DIR": str(data_dir)}

    def explain(self, key: str, **environ: str) -> Result:
        return CliRunner().invoke(
            cli, ["config", "show", "--explain", key], env={**self._env, **environ}
        )

    def completes(self, begun: str) -> list[str]:
        env = {
            **self._env,
            "_POLYAGENT_COMPLETE": "bash_complete",
            "COMP_WORDS": f"polyagent config show --explain {begun}",
            "COMP_CWORD": "4",
        }
        result = CliRunner().invoke(cli, prog_name="polyagent", env=env)
        return [line.partition(",")[2] for line in result.stdout.splitlines()]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_a_key_is_told_in_full(shell: Shell) -> None:
    (shell.data_dir / "config.yaml").write_text("server: {port: 9000}")

    result = shell.explain("server.port")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "server.port: the port to listen on; 0 takes a free one",
        f"  value     9000 ({shell.data_dir / 'config.yaml'})",
        "  default   8080",
        "  allowed   a whole number from 0 to 65535",
        "  set it by server: {port: ...} in config.yaml, POLYAGENT_SERVER__PORT",
    ]


def test_the_strongest_of_several_variables_comes_first(shell: Shell) -> None:
    named = "redis://named/0"

    line = shell.explain(
        "redis.url", REDIS_URL=named, POLYAGENT_REDIS__URL="redis://common/0"
    ).stdout

    assert '"redis://common/0" (environment variable POLYAGENT_REDIS__URL)' in line
    assert "POLYAGENT_REDIS__URL, REDIS_URL" in line


@pytest.mark.parametrize(
    ("key", "variable", "value"),
    [
        ("auth.jwt_secret", "JWT_SECRET", "hidden-hidden-hidden-hidden-hidden"),
        ("auth.jwt_secret", "JWT_SECRET", "hidden"),
        ("ai.key", "PYTHON_AI_KEY", "hidden"),
        ("database.url", "DATABASE_URL", "postgres://me:hidden@db/x"),
        ("database.url", "DATABASE_URL", "mysql://me:hidden@db/x"),
    ],
)
def test_a_secret_is_never_shown(shell: Shell, key: str, variable: str, value: str) -> None:
    result = shell.explain(key, **{variable: value})

    assert result.exit_code == 0
    assert "***" in result.stdout
    assert "hidden" not in result.output


def test_a_wrong_value_is_explained_too(shell: Shell) -> None:
    lines = shell.explain("server.workers", POLYAGENT_SERVER__WORKERS="many").stdout.splitlines()

    assert lines[1] == '  value     "many" (environment variable POLYAGENT_SERVER__WORKERS)'
    assert lines[2].startswith("  wrong     server.workers is 'many', but must be a whole number")


def test_a_section_tells_each_of_its_keys(shell: Shell) -> None:
    lines = shell.explain("auth").stdout.splitlines()

    told = [line.partition(":")[0] for line in lines[::2]]
    assert told == [key for key in keys() if key.startswith("auth.")]
    assert "  600 (the default)" in lines


def test_a_variable_stands_for_its_key(shell: Shell) -> None:
    assert shell.explain("JWT_SECRET").stdout.startswith("auth.jwt_secret: ")


def test_a_key_that_is_none_is_2_and_names_the_nearest(shell: Shell) -> None:
    result = shell.explain("server.prot")

    assert result.exit_code == 2
    assert "server.port" in result.stderr


def test_every_key_has_a_meaning() -> None:
    assert set(meanings()) == set(keys())


def test_a_shell_completes_keys(shell: Shell) -> None:
    assert shell.completes("auth.") == sorted(key for key in keys() if key.startswith("auth."))
    assert "server" in shell.completes("")
