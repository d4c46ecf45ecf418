"""Where settings are written: files and the environment."""

import os
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import platformdirs
import yaml

from polyagent.configuration import wording
from polyagent.configuration.keys import keys, nearest, sections
from polyagent.settings import SettingsError

NAMED = {
    "DATABASE_URL": "database.url",
    "DATABASE_REPLICA_URL": "database.replica_url",
    "DATABASE_DIRECT_URL": "database.direct_url",
    "REDIS_URL": "redis.url",
    "PYTHON_AI_URL": "ai.url",
    "PYTHON_AI_KEY": "ai.key",
    "JWT_SECRET": "auth.jwt_secret",
    "POLYAGENT_DATA_DIR": "data_dir",
}
PREFIX = "POLYAGENT_"


class Given(msgspec.Struct, frozen=True):
    """A value as somebody wrote it, and where. `is_default`: in the file that comes with the product."""

    value: Any
    origin: str
    is_default: bool = False


Values = Mapping[str, Given]


def shipped(name: str) -> Path:
    """Return a directory that comes with the product, `configs` or `migrations`.

    The wheel has it in the package, a checkout beside `src`. Raises `SettingsError`.
    """
    package = Path(__file__).parent.parent
    for place in (package / name, package.parent.parent / name):
        if place.is_dir():
            return place
    raise SettingsError(f"This installation lacks its directory {name}: install polyagent again.")


def default_data_dir() -> Path:
    """Return the platform's user data home, for root a place that other accounts can reach."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/lib/polyagent")
    return platformdirs.user_data_path("polyagent", appauthor=False)


def defaults() -> Values:
    path = shipped("configs") / "config.yaml"
    return {key: Given(given.value, given.origin, True) for key, given in file(path).items()}


def own_file(config: Path | None, environ: Mapping[str, str], home: Path) -> Path | None:
    if config is not None:
        return config
    if named := environ.get("POLYAGENT_CONFIG"):
        return Path(named)
    usual = home / "config.yaml"
    try:
        return usual if usual.exists() else None
    except OSError as error:
        raise SettingsError(f"{usual} cannot be read: {error.strerror}.") from error


def file(path: Path) -> Values:
    try:
        # a loader of its own: it is a safe one that also refuses keys that stand twice
        tree = yaml.load(path.read_text("utf-8-sig"), _Loader)  # noqa: S506
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text (byte {error.start}).") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not YAML: {wording.yaml_fault(error)}.") from error
    if not isinstance(tree, dict | None):
        raise SettingsError(f"{path} holds no settings: write it like server: {{port: 8080}}.")
    return dict(_flat(tree or {}, str(path)))


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: its first value would be dropped in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value} stands twice", problem_mark=key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _flat(tree: Mapping[Any, Any], origin: str) -> Iterable[tuple[str, Given]]:
    for name, value in tree.items():
        if name not in sections():
            yield _known(str(name), origin), Given(value, origin)
        elif isinstance(value, dict):
            for field, inner in value.items():
                yield _known(f"{name}.{field}", origin), Given(inner, origin)
        elif value is not None:
            shown = wording.shown(name, value)
            raise SettingsError(f"{name} is {shown}, but must be a section of settings ({origin}).")


def _known(key: str, origin: str) -> str:
    if key in keys():
        return key
    near = nearest(key, [*keys(), *sections()])
    raise SettingsError(f"There is no setting {key}; did you mean {near}? ({origin})")


def environment(environ: Mapping[str, str]) -> Values:
    """Read what is named for a key, then what has the form POLYAGENT_<SECTION>__<KEY>.

    With one underscore it is none of ours: Kubernetes sets POLYAGENT_SERVER_PORT=tcp://... in every
    container beside a service of the name polyagent-server.
    """
    values = {
        key: Given(environ[name], f"environment variable {name}")
        for name, key in NAMED.items()
        if name in environ
    }
    for name, value in environ.items():
        if name.startswith(PREFIX) and "__" in name:
            key = name.removeprefix(PREFIX).lower().replace("__", ".", 1)
            if key not in keys():
                near = variable(nearest(key, keys()))
                raise SettingsError(f"{name} sets nothing; did you mean {near}?")
            values[key] = Given(value, f"environment variable {name}")
    return values


def variable(key: str) -> str:
    """Return the environment variable of the common form that sets `key`."""
    return PREFIX + key.upper().replace(".", "__")


def variables(key: str) -> list[str]:
    """Return every environment variable that sets `key`, the strongest first."""
    names = [name for name, named in NAMED.items() if named == key]
    return list(dict.fromkeys((variable(key), *names)))
