import json
import shlex
from pathlib import Path

import pytest

from polyagent.adapters.cli.banner import banner
from polyagent.adapters.cli.invocation import invocation
from polyagent.domain.startup import Prepared
from tests.unit.fake_product import started

DATA = Path("/data")


def test_the_curl_line_is_whole_and_asks_with_a_fresh_token() -> None:
    lines = list(banner(started(), "uv run polyagent", DATA))

    (curl,) = [line for line in lines if "curl" in line]
    words = shlex.split(curl)
    assert words[:3] == ["curl", "-N", "http://127.0.0.1:8080/api/v1/chat/stream"]
    assert "Authorization: Bearer $(uv run polyagent admin token)" in words
    assert json.loads(words[-1]) == {"message": "Hello, AI!"}


def test_everything_but_the_curl_line_fits_80_columns() -> None:
    note = "a demonstration model of 135 million parameters, English only, often wrong " * 3

    lines = list(banner(started(model_note=note), "polyagent", DATA))

    assert max(len(line) for line in lines if not line.startswith("curl")) <= 80


def test_a_data_directory_of_its_own_is_named_in_every_command() -> None:
    text = "\n".join(banner(started(data_dir="/my data"), "polyagent", DATA))

    for command in ("admin token", "chat", "down", "reset"):
        assert f"polyagent {command} --data-dir '/my data'" in text


def test_the_password_is_shown_once() -> None:
    first = "\n".join(banner(started(), "polyagent", DATA))
    later = Prepared(username="admin")
    again = "\n".join(banner(started(prepared=later), "polyagent", DATA))

    assert "admin, password first-password" in first
    assert "polyagent admin reset-password" in " ".join(again.split())


def test_without_a_model_it_says_why() -> None:
    text = "\n".join(banner(started(model=None, model_note="this CPU lacks AVX2"), "x", DATA))

    assert "none; this CPU lacks AVX2" in text


@pytest.mark.parametrize(
    ("argv0", "environ", "called"),
    [
        ("/x/bin/polyagent", {"UV_RUN_RECURSION_DEPTH": "1"}, "uv run polyagent"),
        ("/x/polyagent/__main__.py", {}, "python -m polyagent"),
        ("/x y/bin/polyagent", {"PATH": "/none"}, "'/x y/bin/polyagent'"),
    ],
)
def test_commands_are_told_as_the_user_calls_us(
    argv0: str, environ: dict[str, str], called: str
) -> None:
    assert invocation(argv0, environ) == called


def test_a_command_on_the_path_needs_no_more_than_its_name(tmp_path: Path) -> None:
    program = tmp_path / "polyagent"
    program.touch(mode=0o755)

    assert invocation(str(program), {"PATH": str(tmp_path)}) == "polyagent"
