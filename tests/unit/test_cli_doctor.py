import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from polyagent.adapters.cli.main import cli
from polyagent.adapters.cli.within import within
from polyagent.domain.errors import PolyAgentError
from polyagent.domain.finding import Finding, ok, problem, warning
from tests.unit.fake_product import FakeProduct

GRANT = "GRANT USAGE ON SCHEMA polyagent TO app;"


class Doctor:
    """Looks at one data directory; nothing of the outer environment counts."""

    def __init__(self, data_dir: Path) -> None:
        self.product = FakeProduct()
        names = ("DATABASE_URL", "REDIS_URL", "PYTHON_AI_URL", "JWT_SECRET", "POLYAGENT_CONFIG")
        self._env = {**dict.fromkeys(names, ""), "POLYAGENT_DATA_DIR": str(data_dir)}

    def __call__(self, *words: str, color: bool = False, **environ: str) -> Result:
        env = {**self._env, **environ}
        return CliRunner().invoke(
            cli, ["doctor", *words], obj=lambda: self.product, env=env, color=color
        )


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    return Doctor(tmp_path)


def test_it_tells_who_set_what_and_what_was_found_in_order(doctor: Doctor) -> None:
    result = doctor(DATABASE_URL="postgres://me:hidden@db/x")

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "database.url: 'postgres://me:***@db/x' (environment variable DATABASE_URL)" in lines
    assert lines[-4:] == [
        "ok       postgres        PostgreSQL 18.4",
        "ok       redis           Valkey 9.1.2",
        "",
        "All is well.",
    ]


def test_a_problem_is_1_and_comes_with_what_to_do_as_it_stands(doctor: Doctor) -> None:
    doctor.product.findings = [problem("postgres", "no rights", "as its owner, run:", (GRANT,))]

    result = doctor()

    assert result.exit_code == 1
    assert result.stdout.splitlines()[-5:] == [
        "problem  postgres        no rights",
        "                         -> as its owner, run:",
        GRANT,
        "",
        "1 problem, no warnings.",
    ]


def test_a_warning_alone_is_0(doctor: Doctor) -> None:
    doctor.product.findings = [warning("redis", "old", "upgrade it")]

    result = doctor()

    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "no problems, 1 warning.")


def test_no_color_means_none(doctor: Doctor) -> None:
    assert "\x1b[" in doctor(color=True).stdout
    assert "\x1b[" not in doctor(color=True, NO_COLOR="1").stdout


def test_a_script_gets_one_object_on_one_line(doctor: Doctor) -> None:
    doctor.product.findings = [problem("postgres", "no rights", "run:", (GRANT,))]

    result = doctor("--json", DATABASE_URL="postgres://me:hidden@db/x")

    told = json.loads(result.stdout)
    assert (result.exit_code, result.stdout.count("\n")) == (1, 1)
    assert (told["ok"], told["problems"], told["warnings"]) == (False, 1, 0)
    assert told["findings"][0]["statements"] == [GRANT]
    assert {"postgres://me:***@db/x"} == {
        setting["value"] for setting in told["settings"] if setting["key"] == "database.url"
    }


def test_a_wrong_setting_is_a_finding(doctor: Doctor) -> None:
    result = doctor("--json", POLYAGENT_SERVER__PORT="abc")

    (finding,) = json.loads(result.stdout)["findings"]
    assert (result.exit_code, finding["subject"]) == (1, "settings")
    assert finding["text"].startswith("server.port is 'abc'")
    assert doctor.product.calls == []


def test_an_error_of_ours_is_one_line(doctor: Doctor) -> None:
    doctor.product.error = PolyAgentError("The extension is broken.")

    result = doctor()

    assert (result.exit_code, result.stderr) == (3, "polyagent: The extension is broken.\n")


def test_what_hangs_is_left_behind() -> None:
    until = threading.Event()

    def hangs(tell: Callable[[Finding], None]) -> None:
        tell(ok("redis", "Valkey 9.1.2"))
        until.wait()

    findings, hung = within(0.2, hangs)
    until.set()

    assert hung
    assert [finding.level for finding in findings] == ["ok", "problem"]


class HealthHandler(BaseHTTPRequestHandler):
    body = b""

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server() -> Iterator[Callable[[Any], str]]:
    """A server that tells the health it is given."""
    with HTTPServer(("127.0.0.1", 0), HealthHandler) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()

        def telling(health: Any) -> str:
            HealthHandler.body = json.dumps(health).encode()
            return f"http://127.0.0.1:{made.server_port}"

        yield telling
        made.shutdown()
        thread.join()


def test_another_server_tells_its_own_health(doctor: Doctor, server: Callable[[Any], str]) -> None:
    components = {
        "redis": {"status": "down", "detail": "Check REDIS_URL."},
        "postgres": {"status": "ok", "latency_ms": 1.5, "facts": {"version": "18.4"}},
        "search": {"status": "degraded"},
    }
    url = server({"status": "degraded", "version": "1", "components": components})

    result = doctor("--url", url)

    assert result.exit_code == 1
    assert result.stdout.splitlines()[:-2] == [
        "ok       server          PolyAgent 1 answers",
        "warning  server          search degraded",
        "ok       postgres        ok: version 18.4, 1.5 ms",
        "problem  redis           down",
        "                         -> Check REDIS_URL.",
    ]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", None])
def test_another_server_that_is_none_is_a_problem(
    doctor: Doctor, server: Callable[[Any], str], url: str | None
) -> None:
    result = doctor("--url", url or server("no health"))

    assert result.exit_code == 1
    assert result.stdout.startswith("problem  server ")
