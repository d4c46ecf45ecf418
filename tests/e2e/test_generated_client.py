"""A client that a generator makes of the document: typed, and good for all of it.

https://github.com/openapi-generators/openapi-python-client
"""

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.house import named
from tests.e2e.server import Up

NAME = "generated_polyagent"
PASSWORD = "correct horse battery"


class Generated:
    """The package, each of whose operations is a module."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.models: Any = importlib.import_module(f"{NAME}.models")
        self._made: Any = importlib.import_module(NAME)

    def call(self, operation: str, token: str | None = None, **given: Any) -> Any:
        """Return what the operation's answer is read as."""
        module: Any = importlib.import_module(f"{NAME}.api.{operation}")
        common = {"base_url": self.url, "timeout": 60, "httpx_args": {"trust_env": False}}
        if token is None:
            client = self._made.Client(**common)
        else:
            client = self._made.AuthenticatedClient(token=token, **common)
        with client:
            return module.sync(client=client, **given)

    def names(self) -> list[str]:
        return [each.name for each in pkgutil.walk_packages(self._made.__path__, f"{NAME}.")]


@pytest.fixture(scope="module")
def generated(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Generated]:
    place = tmp_path_factory.mktemp("generated")
    document, config = place / "openapi.json", place / "config.yaml"
    document.write_bytes(up.http.get("/openapi.json").content)
    config.write_text("post_hooks: []\n")
    _generate(document, config, place / NAME)
    sys.path.insert(0, str(place))
    yield Generated(up.url)
    sys.path.remove(str(place))
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def _generate(document: Path, config: Path, target: Path) -> None:
    words = (
        *("generate", "--path", str(document), "--config", str(config), "--meta", "none"),
        *("--output-path", str(target), "--fail-on-warning"),
    )
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_of_it_can_be_imported(generated: Generated) -> None:
    names = generated.names()

    modules = [importlib.import_module(name) for name in names]

    assert len(modules) > 200


def test_it_logs_in_chats_and_reads_what_was_said(generated: Generated, up: Up, token: str) -> None:
    models, name = generated.models, named("client")
    new = models.NewUser(username=name, email=f"{name}@house.example", password=PASSWORD)
    made = generated.call("users.create_user", token, body=new)
    login = models.Login(username=name, password=PASSWORD)

    tokens = generated.call("users.log_in", body=login)
    client = tokens.access_token
    answer = generated.call("chat.send_chat", client, body=models.Ask(message="say: hello there"))
    sessions = generated.call("sessions.list_sessions", client)
    said = generated.call("sessions.list_messages", client, session_id=answer.session_id)
    run = generated.call("runs.get_run", client, run_id=answer.run_id)

    assert (made.username, made.role.value) == (name, "member")
    assert isinstance(answer, models.Answer)
    assert answer.status.value == "completed"
    assert answer.message.content
    assert [session.id for session in sessions.items] == [answer.session_id]
    assert [message.role.value for message in said.items] == ["user", "assistant"]
    assert run.usage.total_tokens == answer.usage.total_tokens
    assert run.created_at.tzinfo is not None


def test_it_changes_what_it_made(generated: Generated, token: str) -> None:
    models = generated.models
    new = models.NewAgent(
        name=named("agent"),
        model_settings=models.ModelSettingsInput(temperature=0.5),
        visibility=models.NewAgentVisibility.SHARED,
    )

    made = generated.call("agents.create_agent", token, body=new, idempotency_key=named("key"))
    patch = models.PatchAgent(description="Helps.", instructions=None)
    changed = generated.call("agents.update_agent", token, agent_id=made.id, body=patch)
    stale = generated.call(
        "agents.update_agent", token, agent_id=made.id, body=patch, if_match='"1"'
    )

    assert (changed.version, changed.description) == (2, "Helps.")
    assert changed.model_settings.temperature == 0.5
    assert (stale.status, stale.code) == (412, "precondition_failed")


def test_it_reads_errors_as_what_they_are(generated: Generated, token: str) -> None:
    models = generated.models

    wrong = generated.call("users.log_in", body=models.Login(username="nobody", password="wrong"))
    unknown = generated.call(
        "chat.send_chat",
        token,
        body=models.Ask(message="hi", tools=["gremlin"]),
    )

    assert isinstance(wrong, models.Problem)
    assert (wrong.status, wrong.code) == (401, "bad_credentials")
    assert isinstance(unknown, models.Problem)
    assert unknown.code == "tool_unknown"
    assert unknown.errors[0].pointer == "#/tools/0"
