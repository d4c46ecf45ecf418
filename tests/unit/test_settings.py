import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from polyagent.configuration import sources
from polyagent.configuration.keys import keys
from polyagent.configuration.loading import load, masked, settle
from polyagent.settings import Settings, SettingsError

SECRET = "0123456789abcdef0123456789abcdef"


def loaded(tmp_path: Path, text: str | bytes | None = None, **environ: str) -> Settings:
    """Load with a data directory of the test's own, and a user's file in it if there is a text."""
    if text is not None:
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "config.yaml").write_bytes(content)
    return load(None, environ, tmp_path)


def refusal(tmp_path: Path, text: str | bytes | None = None, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(tmp_path, text, **environ)
    assert "\n" not in caught.value.detail
    return caught.value.detail


def test_the_shipped_file_says_the_defaults() -> None:
    shipped = settle(sources.defaults())

    assert msgspec.structs.replace(shipped, data_dir=None) == Settings()


def test_the_shipped_file_has_every_key_and_says_what_each_means() -> None:
    text = (sources.shipped("configs") / "config.yaml").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    of_keys = [line for line in lines if not line.endswith(":")]

    assert set(sources.defaults()) == set(keys())
    assert len(of_keys) == len(keys())
    assert [line for line in of_keys if len(line.partition(" # ")[2]) < 10] == []


def test_the_block_of_the_original_loads_and_means_something(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        "server: {read_timeout: 30, write_timeout: 30}\n"
        "database: {max_open_conns: 100, max_idle_conns: 20}\n"
        "redis: {pool_size: 50, max_retries: 3}\n"
        'log: {level: "warn", format: "json"}\n',
    )

    assert (settings.database.max_open_conns, settings.database.max_idle_conns) == (100, 20)
    assert (settings.redis.pool_size, settings.redis.max_retries) == (50, 3)
    assert (settings.log.level, settings.log.format) == ("warn", "json")


def test_the_environment_of_the_original_loads(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        DATABASE_URL="postgres://user:pass@localhost:5432/polyagent",
        REDIS_URL="redis://localhost:6379/0",
        PYTHON_AI_URL="http://localhost:8000",
        JWT_SECRET=SECRET,
    )

    assert settings.database.url == "postgres://user:pass@localhost:5432/polyagent"
    assert settings.redis.url == "redis://localhost:6379/0"
    assert settings.ai.url == "http://localhost:8000"
    assert settings.auth.jwt_secret == SECRET


def test_the_stronger_source_wins(tmp_path: Path) -> None:
    text = "server: {port: 1001, workers: 2}\ndatabase: {url: 'postgres://file/a'}"

    settings = loaded(
        tmp_path,
        text,
        DATABASE_URL="postgres://named/a",
        POLYAGENT_SERVER__PORT="1002",
        POLYAGENT_DATABASE__URL="postgres://keyed/a",
    )

    assert (settings.server.port, settings.server.workers) == (1002, 2)
    assert settings.database.url == "postgres://keyed/a"


def test_a_file_that_is_named_replaces_the_one_in_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("server: {port: 1001}")
    named = tmp_path / "named.yaml"
    named.write_text("server: {port: 1002}")
    other = tmp_path / "other.yaml"
    other.write_text("server: {port: 1003}")
    environ = {"POLYAGENT_CONFIG": str(named)}

    assert load(None, {}, tmp_path).server.port == 1001
    assert load(None, environ, tmp_path).server.port == 1002
    assert load(other, environ, tmp_path).server.port == 1003


def test_the_data_directory_is_absolute_and_the_command_line_wins(tmp_path: Path) -> None:
    environ = {"POLYAGENT_DATA_DIR": str(tmp_path / "env")}

    assert load(None, environ).data_dir == str(tmp_path / "env")
    assert load(None, environ, tmp_path).data_dir == str(tmp_path)
    assert load(None, environ, Path("here")).data_dir == str(Path("here").absolute())


def test_an_empty_variable_is_unset(tmp_path: Path) -> None:
    settings = loaded(tmp_path, DATABASE_URL="", JWT_SECRET="", POLYAGENT_SERVER__PORT="")

    assert msgspec.structs.replace(settings, data_dir=None) == Settings()


@pytest.mark.parametrize("text", ["a.example, b.example", '["a.example", "b.example"]'])
def test_lists_are_json_or_have_commas(tmp_path: Path, text: str) -> None:
    settings = loaded(tmp_path, POLYAGENT_SERVER__HOSTS=text)

    assert settings.server.hosts == ("a.example", "b.example")


def test_what_kubernetes_sets_for_a_service_of_our_name_is_left_alone(tmp_path: Path) -> None:
    loaded(tmp_path, POLYAGENT_SERVER_PORT="tcp://10.0.0.1:8080", POLYAGENT_PORT="tcp://10.0.0.1")


def test_a_database_may_have_several_hosts(tmp_path: Path) -> None:
    url = "postgres://me@one:5432,two:5433/db"

    assert loaded(tmp_path, DATABASE_URL=url).database.url == url


def test_fewer_open_connections_mean_fewer_idle_ones(tmp_path: Path) -> None:
    settings = loaded(tmp_path, POLYAGENT_DATABASE__MAX_OPEN_CONNS="3")

    assert settings.database.max_idle_conns == 3


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (
            {"POLYAGENT_SERVER__PORT": "abc"},
            "server.port is 'abc', but must be a whole number from 0 to 65535 "
            "(environment variable POLYAGENT_SERVER__PORT).",
        ),
        (
            {"POLYAGENT_SERVER__READ_TIMEOUT": "nan"},
            "server.read_timeout is 'nan', but must be a number above 0, at most 86400 "
            "(environment variable POLYAGENT_SERVER__READ_TIMEOUT).",
        ),
        (
            {"POLYAGENT_LOG__LEVEL": "loud\nx"},
            "log.level is 'loud\\nx', but must be one of critical, debug, error, info, warn, "
            "warning (environment variable POLYAGENT_LOG__LEVEL).",
        ),
        (
            {"POLYAGENT_SERVER__PROT": "1"},
            "POLYAGENT_SERVER__PROT sets nothing; did you mean POLYAGENT_SERVER__PORT?",
        ),
        (
            {"POLYAGENT_TOOLS__ALLOW_PRIVATE": "10.0.0.0/33, minio.internal"},
            "tools.allow_private is '10.0.0.0/33, minio.internal', but must be a list of networks "
            "(10.0.0.0/8) and names of hosts (environment variable POLYAGENT_TOOLS__ALLOW_PRIVATE).",
        ),
        (
            {"DATABASE_URL": "mysql://me:p@ss/w@host/db"},
            "database.url is 'mysql://me:***@host/db', but must be "
            "postgres://user:password@host:5432/name or null (environment variable DATABASE_URL).",
        ),
        (
            {"REDIS_URL": "http://host"},
            "redis.url is 'http://host', but must be redis://host:6379/0, rediss:// or unix:// "
            "or null (environment variable REDIS_URL).",
        ),
        (
            {"REDIS_URL": "redis://:p@ss@host:99999/0"},
            "redis.url is 'redis://:***@host:99999/0', but must be redis://host:6379/0, rediss:// "
            "or unix:// or null (environment variable REDIS_URL).",
        ),
        (
            {"PYTHON_AI_URL": "http://[::1/v1"},
            "ai.url is 'http://[::1/v1', but must be an http:// or https:// address or null "
            "(environment variable PYTHON_AI_URL).",
        ),
        (
            {"PYTHON_AI_URL": "localhost:8000"},
            "ai.url is 'localhost:8000', but must be an http:// or https:// address or null "
            "(environment variable PYTHON_AI_URL).",
        ),
        (
            {"JWT_SECRET": "your-secret-key"},
            "auth.jwt_secret is your-secret-key, the documentation's example, which everybody "
            "knows; make your own: openssl rand -hex 32 (environment variable JWT_SECRET).",
        ),
        (
            {"JWT_SECRET": SECRET[:31]},
            "auth.jwt_secret is '***', but must be at least 32 bytes long; try openssl rand -hex "
            "32 (environment variable JWT_SECRET).",
        ),
        (
            {"POLYAGENT_DATABASE__MAX_IDLE_CONNS": "21"},
            "database.max_idle_conns is '21', but must be at most database.max_open_conns, 20 "
            "(environment variable POLYAGENT_DATABASE__MAX_IDLE_CONNS).",
        ),
        (
            {"POLYAGENT_SERVER__HOSTS": '["a",'},
            "server.hosts is '[\"a\",', but must be a list, each a host's name, without a port "
            "(environment variable POLYAGENT_SERVER__HOSTS).",
        ),
        ({"POLYAGENT_CONFIG": "/none/x.yaml"}, "/none/x.yaml cannot be read: No such file or "),
    ],
)
def test_a_wrong_variable_is_told_in_one_line(
    tmp_path: Path, environ: dict[str, str], said: str
) -> None:
    assert refusal(tmp_path, **environ).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server: {prt: 1}", "There is no setting server.prt; did you mean server.port? ({path})"),
        ("sever: {port: 1}", "There is no setting sever; did you mean server? ({path})"),
        ("server: 5", "server is 5, but must be a section of settings ({path})."),
        ("server: {port: null}", "server.port is null, but must be a whole number from 0 to"),
        ("server: {host: 5}", "server.host is 5, but must be text ({path})."),
        ("log: {level: off}", "log.level is false, but must be one of critical, debug"),
        ("telemetry: {access_log: 2}", "telemetry.access_log is 2, but must be true or false"),
        (
            "server: {port: 1}\nserver: {port: 2}",
            "{path} is not YAML: line 2: server stands twice.",
        ),
        ("a: b: c", "{path} is not YAML: line 1: mapping values are not allowed here."),
        ("a: 2024-13-45", "{path} is not YAML: month must be in 1..12."),
        ("- a", "{path} holds no settings: write it like server: {{port: 8080}}."),
        (b"\xff\xfe", "{path} is not UTF-8 text (byte 0)."),
        ("a\0b", "{path} is not YAML: "),
        ("{" * 5000, "{path} is not YAML: "),
    ],
)
def test_a_wrong_file_is_told_in_one_line(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert refusal(tmp_path, text).startswith(said.format(path=tmp_path / "config.yaml"))


def test_a_section_with_everything_commented_out_is_no_mistake(tmp_path: Path) -> None:
    assert loaded(tmp_path, "server:\n  # port: 9000\n").server == Settings().server


def test_a_directory_is_no_configuration_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").mkdir()

    assert refusal(tmp_path) == f"{tmp_path / 'config.yaml'} cannot be read: Is a directory."


def test_what_is_shown_holds_no_secret(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        JWT_SECRET=SECRET,
        PYTHON_AI_KEY="sk-hidden",
        PYTHON_AI_URL="https://me:hidden@ai.example/v1?key=hidden",
        DATABASE_URL="postgres://me:hid@den@db/x?password=hidden&host=/run",
        DATABASE_DIRECT_URL="postgresql://me:hidden@db/x",
        REDIS_URL="redis://:hidden@cache:6379/0",
        POLYAGENT_SERVER__METRICS_TOKEN="hidden",
        POLYAGENT_TOOLS__PROXY="http://me:hidden@proxy",
    )

    shown = masked(settings)

    assert SECRET not in json.dumps(shown)
    assert "hid" not in json.dumps(shown)
    assert shown["database"]["url"] == "postgres://me:***@db/x?password=***&host=/run"
    assert shown["redis"]["url"] == "redis://:***@cache:6379/0"
    assert shown["server"]["hosts"] == []


def test_settings_survive_being_written_down_and_read_again(tmp_path: Path) -> None:
    settings = loaded(tmp_path, POLYAGENT_SERVER__HOSTS="a,b", PYTHON_AI_URL="http://ai")
    tree: Any = msgspec.to_builtins(settings)

    assert loaded(tmp_path, yaml.safe_dump(tree)) == settings
