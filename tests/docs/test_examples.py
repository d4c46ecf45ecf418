"""The examples are run as they stand, on a real server whose model service is scripted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import Up
from tests.e2e.test_deaths import pid_of

EXAMPLES = Path(__file__).parents[2] / "examples"
LIMIT_S = 120


@pytest.fixture(scope="module")
def up(model_service: str) -> Iterator[Up]:
    with Up(model_service) as server:
        yield server


@pytest.fixture(scope="module")
def token(up: Up) -> str:
    return up.token()


def started(up: Up, token: str, *words: str) -> "subprocess.Popen[str]":
    environ = up.environ | {"TOKEN": token, "POLYAGENT_URL": up.url}
    return subprocess.Popen(
        words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def python(name: str) -> tuple[str, str]:
    return sys.executable, str(EXAMPLES / "python" / name)


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("python/*.py")))
def test_an_example_gets_an_answer(up: Up, token: str, name: str) -> None:
    with started(up, token, *python(name), "say one two three") as example:
        out, err = example.communicate(timeout=LIMIT_S)

    assert (example.returncode, out.split(), err) == (0, ["one", "two", "three"], "")


def test_a_second_question_goes_to_the_same_session(up: Up, token: str) -> None:
    with started(up, token, *python("one_answer.py"), "say first", "say second") as example:
        out, _ = example.communicate(timeout=LIMIT_S)
    headers = {"Authorization": f"Bearer {token}"}
    last = up.http.get("/api/v1/chat/sessions?limit=1", headers=headers).json()["items"][0]

    assert out.split() == ["first", "second"]
    assert last["message_count"] == 4


@pytest.mark.parametrize("name", ["stream.py", "socket_chat.py"])
def test_an_example_goes_on_after_the_death_of_the_gateway(
    up: Up, token: str, model_control: httpx.Client, name: str
) -> None:
    with started(up, token, *python(name), f"hold {name}") as example:
        assert example.stdout is not None
        heard = example.stdout.read(len("holding "))
        os.kill(pid_of(up, "polyagent serve"), signal.SIGKILL)
        model_control.post(f"/release/{name}")
        rest, err = example.communicate(timeout=LIMIT_S)

    assert example.returncode == 0, err
    assert ": again" in err
    assert (heard + rest).rpartition("void]")[2].split() == ["holding", "released"]


def test_what_an_answer_cites_is_printed(up: Up, token: str) -> None:
    with started(up, token, *python("ask_documents.py"), "cite six") as example:
        out, err = example.communicate(timeout=LIMIT_S)
    with started(up, token, *python("ask_documents.py"), "cite seven") as example:
        wrong, _ = example.communicate(timeout=LIMIT_S)

    assert (example.returncode, err) == (0, "")
    assert out.splitlines()[1:] == ['[1] lease.md: "six" (verified)']
    assert wrong.splitlines()[1:] == ['[1] lease.md: "seven" (NOT VERIFIED)']


def test_a_wrong_token_is_told(up: Up) -> None:
    for name in sorted(path.name for path in EXAMPLES.glob("python/*.py")):
        with started(up, "wrong", *python(name)) as example:
            _, err = example.communicate(timeout=LIMIT_S)

        assert example.returncode == 1, name
        assert "401" in err or "unauthenticated" in err, err


def test_the_shell_script_tells_a_run_and_what_is_behind_an_event(up: Up, token: str) -> None:
    with started(up, token, "bash", str(EXAMPLES / "shell" / "chat.sh")) as script:
        out, err = script.communicate(timeout=LIMIT_S)

    assert (script.returncode, err) == (0, "")
    _, *parts = out.split("# ")
    assert [part.count("event: run.completed") for part in parts] == [0, 1, 1, 1]
    assert [part.count("event: ") for part in parts][2:] == [
        *(parts[3].count("event: ") + 1, parts[3].count("event: "))
    ]
