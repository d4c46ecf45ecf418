"""Loading the settings: configs/config.yaml < the user's file < the environment < the command line."""

from collections.abc import Iterable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from polyagent.configuration import sources, wording
from polyagent.configuration.keys import keys
from polyagent.configuration.sources import Given, Values
from polyagent.domain.network import Allowance
from polyagent.settings import (
    AiService,
    EmbeddingService,
    RerankService,
    Settings,
    SettingsError,
)

MIN_SECRET_BYTES = 32
EXAMPLE_SECRET = "your-secret-key"  # noqa: S105 - the value that the original's documentation shows


def load(config: Path | None, environ: Mapping[str, str], data_dir: Path | None = None) -> Settings:
    """Return the settings; `config` and `data_dir` are what the command line names.

    Variables that are empty count as unset. Raises `SettingsError`.
    """
    return settle(gather(config, environ, data_dir))


def gather(config: Path | None, environ: Mapping[str, str], data_dir: Path | None = None) -> Values:
    """Return everything that is written anywhere by its key (`server.port`), the strongest of each.

    Raises `SettingsError` for a file that cannot be read and for a key that is none.
    """
    environ = {name: value for name, value in environ.items() if value}
    home = data_dir or Path(environ.get("POLYAGENT_DATA_DIR") or sources.default_data_dir())
    values = dict(sources.defaults())
    if own := sources.own_file(config, environ, home.expanduser()):
        values |= sources.file(own)
    values |= sources.environment(environ)
    if data_dir is not None:
        values["data_dir"] = Given(str(data_dir), "--data-dir")
    return values


def settle(values: Values) -> Settings:
    """Make settings of what was gathered. Raises `SettingsError` for the first value that is wrong."""
    tree: dict[str, Any] = {}
    for key, given in values.items():
        section, _, name = key.rpartition(".")
        place = tree.setdefault(section, {}) if section else tree
        place[name] = _converted(key, given)
    tree["data_dir"] = _absolute(tree.get("data_dir") or sources.default_data_dir())
    settings = msgspec.convert(tree, Settings)
    _check_secret(settings, values)
    _check_first_service(settings, values)
    _check_embeddings(settings, values)
    _check_allowance(settings, values)
    return _with_idle_connections(settings, values)


def masked(settings: Settings) -> dict[str, Any]:
    """Return the settings as they may be shown: sections of plain values without secrets."""
    tree: dict[str, Any] = msgspec.to_builtins(settings)
    for key in keys():
        section, _, name = key.rpartition(".")
        place = tree[section] if section else tree
        place[name] = wording.masked(key, place[name])
    return tree


def _converted(key: str, given: Given) -> Any:
    hint, value = keys()[key], given.value
    try:
        if isinstance(value, str) and wording.is_list(hint):
            value = _listed(value)
        elif isinstance(value, str) and wording.is_map(hint):
            value = msgspec.json.decode(value)
        converted = msgspec.convert(value, hint, strict=False)
        _require_port(converted)
        if key == "server.trusted_proxies":
            _require_networks(converted)
    except (ValueError, msgspec.DecodeError) as error:
        raise _wrong(key, given, wording.allowed(hint)) from error
    return converted


def _require_port(value: Any) -> None:
    """Raise `ValueError` for an address whose port is none; PostgreSQL's may name several hosts."""
    for item in value if isinstance(value, tuple) else ():
        _require_port(item)
    if isinstance(value, AiService | EmbeddingService | RerankService):
        value = value.url
    if isinstance(value, str) and "://" in value and not value.startswith("postgres"):
        _ = urlsplit(value).port


def _require_networks(values: Iterable[str]) -> None:
    """Raise `ValueError` for a text that is no network."""
    for value in values:
        ip_network(value, strict=False)


def _listed(text: str) -> Any:
    if text.lstrip().startswith("["):
        return msgspec.json.decode(text)
    return [item.strip() for item in text.split(",") if item.strip()]


def _wrong(key: str, given: Given, allowed: str) -> SettingsError:
    shown = wording.shown(key, given.value)
    return SettingsError(f"{key} is {shown}, but must be {allowed} ({given.origin}).")


def _absolute(path: str | Path) -> str:
    return str(Path(path).expanduser().absolute())


def _check_secret(settings: Settings, values: Values) -> None:
    secret = settings.auth.jwt_secret
    if secret is None or len(secret.encode("utf-8", "surrogateescape")) >= MIN_SECRET_BYTES:
        return
    key, given = "auth.jwt_secret", values["auth.jwt_secret"]
    if secret == EXAMPLE_SECRET:
        detail = f"{key} is {secret}, the documentation's example, which everybody knows; "
        raise SettingsError(f"{detail}make your own: openssl rand -hex 32 ({given.origin}).")
    raise _wrong(key, given, f"at least {MIN_SECRET_BYTES} bytes long; try openssl rand -hex 32")


def _check_first_service(settings: Settings, values: Values) -> None:
    """Refuse what would be the first service's where that is named in the list."""
    if settings.ai.url is not None or not settings.ai.services:
        return
    for key in ("ai.key", "ai.model", "ai.context_tokens"):
        if (given := values[key]).value is not None:
            raise _wrong(key, given, "null where ai.url is: write it into its entry of ai.services")


def _check_embeddings(settings: Settings, values: Values) -> None:
    service = settings.documents.embeddings
    if service is None or service.is_local or service.url is not None or settings.ai.each():
        return
    key = "documents.embeddings"
    raise _wrong(key, values[key], "with a url where ai.url is null, or with the model local")


def _check_allowance(settings: Settings, values: Values) -> None:
    try:
        Allowance.of(settings.tools.allow_private)
    except ValueError as error:
        allowed = "a list of networks (10.0.0.0/8) and names of hosts"
        raise _wrong("tools.allow_private", values["tools.allow_private"], allowed) from error


def _with_idle_connections(settings: Settings, values: Values) -> Settings:
    """Refuse more idle connections than open ones; where only the default is too many, lower it."""
    database = settings.database
    if database.max_idle_conns <= database.max_open_conns:
        return settings
    given = values["database.max_idle_conns"]
    if not given.is_default:
        most = f"at most database.max_open_conns, {database.max_open_conns}"
        raise _wrong("database.max_idle_conns", given, most)
    lowered = msgspec.structs.replace(database, max_idle_conns=database.max_open_conns)
    return msgspec.structs.replace(settings, database=lowered)
