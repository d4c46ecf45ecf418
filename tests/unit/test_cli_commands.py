import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from polyagent.adapters.cli.main import cli
from polyagent.domain.errors import Invalid, PolyAgentError, StoreUnavailable
from tests.unit.fake_product import FakeProduct


@pytest.fixture
def product() -> FakeProduct:
    return FakeProduct()


class Shell:
    """Types commands on one data directory; nothing of the outer environment counts."""

    def __init__(self, product: FakeProduct, data_dir: Path) -> None:
        self._product = product
        self.data_dir = data_dir

    def __call__(self, *words: str, typed: str | None = None, **environ: str) -> Result:
        names = ("DATABASE_URL", "REDIS_URL", "PYTHON_AI_URL", "JWT_SECRET", "POLYAGENT_CONFIG")
        env = {**dict.fromkeys(names, ""), "POLYAGENT_DATA_DIR": str(self.data_dir), **environ}
        return CliRunner().invoke(cli, words, obj=lambda: self._product, input=typed, env=env)


@pytest.fixture
def shell(product: FakeProduct, tmp_path: Path) -> Shell:
    return Shell(product, tmp_path)


def test_up_hands_over_what_was_said(shell: Shell, product: FakeProduct, tmp_path: Path) -> None:
    model = tmp_path / "own.gguf"
    model.touch()

    result = shell("up", "--port", "9000", "--host", "::1", "--workers", "2", "--model", str(model))

    server = product.settings.server
    assert result.exit_code == 0
    assert (server.host, server.port, server.workers) == ("::1", 9000, 2)
    assert (product.options.model_file, product.options.ask) == (model, False)
    assert product.settings.data_dir == str(tmp_path)


def test_the_children_of_up_read_the_same_configuration_file(
    shell: Shell, product: FakeProduct
) -> None:
    file = shell.data_dir / "own.yaml"
    file.write_text("server: {port: 9001}")

    shell("up", "--config", str(file))

    assert product.settings.server.port == 9001
    assert product.childrens_config == str(file)


def test_up_shows_a_line_a_step_and_then_how_to_use_it(shell: Shell) -> None:
    result = shell("up")

    lines = result.stdout.splitlines()
    assert lines[0] == "Starting PostgreSQL 18"
    assert result.stderr == "Warning: The disk is nearly full.\n"
    assert any(line.startswith("curl -N http://127.0.0.1:8080/") for line in lines)
    assert lines[-1] == "Stopping"


@pytest.mark.parametrize("command", [["up"], ["serve"], ["worker"]])
def test_the_exit_code_is_that_of_the_work(
    shell: Shell, product: FakeProduct, command: list[str]
) -> None:
    product.code = 1

    assert shell(*command).exit_code == 1


def test_serve_starts_beside_another_only_if_told(shell: Shell, product: FakeProduct) -> None:
    shell("serve")
    shell("serve", "--reuse-port")

    assert product.calls == [("serve", False), ("serve", True)]


def test_prepare_prints_one_line_of_json(shell: Shell) -> None:
    result = shell("prepare")

    assert json.loads(result.stdout) == {
        "username": "admin",
        "password": "first-password",
        "created": True,
    }


def test_migrate_goes_to_the_newest_or_where_it_is_told(shell: Shell, product: FakeProduct) -> None:
    assert shell("migrate").stdout == "The schema is at 0007.\n"
    shell("migrate", "0003")
    shell("migrate", "--down", "0002")

    assert product.calls == [
        ("migrate", "head", False),
        ("migrate", "0003", False),
        ("migrate", "0002", True),
    ]


def test_going_back_needs_to_know_where_to(shell: Shell, product: FakeProduct) -> None:
    assert shell("migrate", "--down").exit_code == 2
    assert product.calls == []


def test_down_says_whether_something_ran(shell: Shell, product: FakeProduct) -> None:
    stopped = shell("down")
    product.code = 1
    nothing = shell("down")

    assert stopped.stdout == f"Stopped the server of {shell.data_dir}.\n"
    assert (nothing.exit_code, nothing.stdout) == (0, f"No server runs on {shell.data_dir}.\n")


def test_reset_asks_first(shell: Shell, product: FakeProduct) -> None:
    refused = shell("reset", typed="n\n")
    assert (refused.exit_code, product.calls) == (1, [])

    shell("reset", typed="y\n")
    shell("reset", "--yes")

    assert product.calls == [("reset",), ("reset",)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PolyAgentError("The port 8080 is in use\nby process 7."), 3),
        (StoreUnavailable("PostgreSQL is away."), 3),
        (Invalid("That is malformed."), 1),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    shell: Shell, product: FakeProduct, error: PolyAgentError, code: int
) -> None:
    product.error = error

    result = shell("up")

    assert result.exit_code == code
    assert result.stderr == f"polyagent: {' '.join(error.detail.split())}\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["up", "--port", "65536"],
        ["up", "--workers", "0"],
        ["up", "--model", "/none.gguf"],
        ["chat", "--url", "localhost:8080", "hi"],
        ["chat", "--url", "http://localhost:8080", "hi"],
        ["chat", "--session", "no-uuid", "hi"],
        ["doctor", "--url", "localhost"],
        ["completion", "tcsh"],
        ["nonsense"],
    ],
)
def test_wrong_usage_is_2_and_does_nothing(
    shell: Shell, product: FakeProduct, words: list[str]
) -> None:
    assert shell(*words).exit_code == 2
    assert product.calls == []


def test_a_wrong_setting_is_3_and_does_nothing(shell: Shell, product: FakeProduct) -> None:
    result = shell("up", JWT_SECRET="short")

    assert result.exit_code == 3
    assert "auth.jwt_secret" in result.stderr
    assert "short" not in result.stderr
    assert product.calls == []


def test_a_user_is_made_with_the_password_from_a_pipe(shell: Shell, product: FakeProduct) -> None:
    result = shell(
        *("admin", "create-user", "mo", "--email", "mo@example.com", "--role", "viewer"),
        typed="a good password\n",
    )

    assert result.stdout == "Added mo (viewer).\n"
    assert asyncio.run(product.can_log_in("mo", "a good password"))


def test_a_generated_password_is_shown_and_works(shell: Shell, product: FakeProduct) -> None:
    shell("admin", "create-user", "mo", "--email", "mo@example.com", "--generate")
    result = shell("admin", "reset-password", "mo", "--generate")

    password = result.stdout.partition("Password: ")[2].strip()
    assert asyncio.run(product.can_log_in("mo", password))


def test_a_token_is_printed_alone(shell: Shell) -> None:
    shell("admin", "create-user", "admin", "--email", "a@example.com", "--generate")

    result = shell("admin", "token", "--valid-for", "60")

    assert result.stdout.count(".") == 2
    assert len(result.stdout.split()) == 1


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["token", "--user", "nobody"], None),
        (["reset-password", "nobody"], "a good password\n"),
        (["reset-password", "mo"], "short\n"),
        (["create-user", "mo", "--email", "other@example.com"], "a good password\n"),
        (["create-user", "with space", "--email", "x@example.com"], "a good password\n"),
        (["create-user", "al", "--email", "no-address"], "a good password\n"),
    ],
)
def test_what_cannot_be_done_to_a_user_is_1_and_said(
    shell: Shell, words: list[str], typed: str | None
) -> None:
    shell("admin", "create-user", "mo", "--email", "mo@example.com", "--generate")

    result = shell("admin", *words, typed=typed)

    assert result.exit_code == 1
    assert result.stderr.startswith("polyagent: ")
    assert result.stderr.count("\n") == 1
    assert "good password" not in result.stderr


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell: Shell, shell_name: str) -> None:
    result = shell("completion", shell_name)

    assert result.exit_code == 0
    assert f"_POLYAGENT_COMPLETE={shell_name}_complete" in result.stdout


def test_tools_are_shown_a_line_each(shell: Shell) -> None:
    result = shell("tools")

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "calculator  builtin   read   Computes.",
        "order       function  once   Orders.",
        "search      builtin   once   not available: Set it up.",
    ]


def test_tools_are_shown_whole_as_json(shell: Shell) -> None:
    result = shell("tools", "--json")

    assert [tool["name"] for tool in json.loads(result.stdout)] == [
        *("calculator", "order", "search")
    ]


@pytest.mark.parametrize("command", ["up", "serve", "worker", "tools"])
def test_an_operators_own_is_handed_to_every_process(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, product: FakeProduct, command: str
) -> None:
    monkeypatch.setenv("POLYAGENT_APP", "another:app")

    shell(command, "--app", "shop.tools:app")

    assert product.childrens_app == "shop.tools:app"
