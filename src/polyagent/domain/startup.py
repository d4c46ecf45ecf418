"""What `polyagent up` tells a person."""

import msgspec


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What preparing the store did. `password` is set only when this start generated it."""

    username: str
    password: str | None = None
    created: bool = False


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A server that is ready. `model` None: there is none, and `model_note` says why and what to set."""

    url: str
    data_dir: str
    prepared: Prepared
    model: str | None
    model_note: str | None
    engines: dict[str, str]
    seconds: float
