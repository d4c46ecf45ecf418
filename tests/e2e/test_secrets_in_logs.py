"""What the processes of a server say at `debug` while their engines die: none of their secrets."""

import json
import os
import signal
from contextlib import suppress
from secrets import token_hex

import httpx

from polyagent.adapters.engines.datadir import SECRETS
from tests.e2e.server import Up, eventually

PID_FILES = {"postgres": "pg/postmaster.pid", "valkey": "valkey/valkey.pid"}


def test_no_secret_is_logged_while_engines_die(model_service: str) -> None:
    password, prompt, said = token_hex(12), token_hex(12), token_hex(12)
    keys = [f"sk-{token_hex(16)}" for _ in range(3)]
    environ = {
        "POLYAGENT_LOG__LEVEL": "debug",
        "POLYAGENT_ADMIN_PASSWORD": password,
        "PYTHON_AI_KEY": keys[0],
        "POLYAGENT_DOCUMENTS__EMBEDDINGS": _service(model_service, keys[1]),
        "POLYAGENT_DOCUMENTS__RERANK": _service(model_service, keys[2]),
    }
    with Up(model_service, environ=environ) as up:
        login = {"username": "admin", "password": password}
        tokens = up.http.post("/api/v1/users/login", json=login).json()
        up.http.headers["authorization"] = f"Bearer {tokens['access_token']}"
        for engine in PID_FILES:
            _kill(up, engine)
            for _ in range(5):
                with suppress(httpx.TransportError):
                    up.http.post("/api/v1/documents/upload", files={"file": (said, said)})
                    up.http.post("/api/v1/documents/search", json={"query": prompt})
                    up.http.post("/api/v1/chat", json={"message": prompt})
                    up.http.get(f"/api/v1/agents?ticket={tokens['access_token']}")
                    up.http.post("/api/v1/users/login", json={**login, "username": prompt})
            eventually("it is well again", lambda: _is_well(up))
        secrets = [(up.data_dir / name).read_text() for name in SECRETS if name != "model.key"]
        secrets += [password, prompt, said, *keys, *map(str, tokens.values())]
        log = up.log.read_text()

    assert [secret for secret in secrets if len(secret) > 8 and secret.strip() in log] == []
    assert "\x1b[" not in log
    assert "request.defect" not in log


def _service(url: str, key: str) -> str:
    return json.dumps({"model": "scripted", "url": url, "key": key})


def _is_well(up: Up) -> bool:
    with suppress(httpx.TransportError):
        return bool(up.http.get("/health").json()["status"] == "ok")
    return False


def _kill(up: Up, engine: str) -> None:
    pid = (up.data_dir / PID_FILES[engine]).read_text().split()[0]
    os.kill(int(pid), signal.SIGKILL)
