"""What a process stands on: its own configuration, or the engines of a running `up`."""

import os
from pathlib import Path

import msgspec

from polyagent.settings import Settings, SettingsError

UNDER_UP = "POLYAGENT_UNDER_UP"
HANDED = "POLYAGENT_HANDED_SETTINGS"


def data_dir(settings: Settings) -> Path:
    from polyagent.configuration.sources import default_data_dir

    return Path(settings.data_dir) if settings.data_dir else default_data_dir()


def settled(settings: Settings, *, wait_s: float = 30) -> Settings:
    """Return settings that name every engine, joining the `up` of the data directory for those they lack.

    Raises `SettingsError`, `EngineError`.
    """
    if settings.database.url and settings.redis.url:
        return _with_model(with_secret(settings, joined=UNDER_UP in os.environ))
    if (settings.database.url or settings.redis.url) and UNDER_UP not in os.environ:
        raise SettingsError(
            "DATABASE_URL and REDIS_URL belong together: set both, or neither to join a running `polyagent up`."
        )
    return joined(settings, wait_s)


def hand_on(settings: Settings) -> None:
    """Let the children of this process find its settings as they are."""
    os.environ[HANDED] = msgspec.json.encode(settings).decode()


def handed() -> Settings:
    return msgspec.json.decode(os.environ[HANDED], type=Settings)


def joined(settings: Settings, wait_s: float) -> Settings:
    from polyagent.adapters.engines.endpoints import join
    from polyagent.app.standing import standing_on

    found = standing_on(settings, join(data_dir(settings), wait_s))
    return with_secret(found, joined=True)


def _with_model(settings: Settings) -> Settings:
    """Under an `up` on engines from elsewhere, the model may still be its own."""
    if not settings.ai.each() and UNDER_UP in os.environ:
        return joined(settings, wait_s=30)
    return settings


def with_secret(settings: Settings, *, joined: bool) -> Settings:
    """Return settings with the secret of the data directory, if they have none and it is `joined`."""
    if settings.auth.jwt_secret is not None or settings.auth.jwt_secret_file is not None:
        _require_good_secrets(settings)
        return settings
    if not joined:
        raise SettingsError(
            "JWT_SECRET is not set: every process needs the same one; make it with openssl rand -hex 32."
        )
    from polyagent.adapters.engines.datadir import DataDir

    secret = DataDir(data_dir(settings)).secret("jwt.secret")
    auth = msgspec.structs.replace(settings.auth, jwt_secret=secret)
    return msgspec.structs.replace(settings, auth=auth)


def _require_good_secrets(settings: Settings) -> None:
    from polyagent.adapters.vault.secrets import SigningSecrets
    from polyagent.domain.errors import Invalid

    try:
        SigningSecrets.of(settings.auth)
    except Invalid as error:
        raise SettingsError(error.detail) from error
