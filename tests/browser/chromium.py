"""A Chromium without a window, driven over its own protocol.

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.e2e.processes import users_of
from tests.e2e.server import eventually

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MISSING = "no Chromium here: `apt-get install chromium`, or name one in POLYAGENT_BROWSER"
LIMIT_S = 180


def found() -> str | None:
    named = (os.environ.get("POLYAGENT_BROWSER"), *NAMES)
    return next((path for name in named if name and (path := shutil.which(name))), None)


class Page:
    """One tab, and what it did: `requests` are addresses, `complaints` what a console shows in red."""

    def __init__(self, talk: ClientConnection) -> None:
        self._talk = talk
        self._sent = 0
        self._session: dict[str, str] = {}
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.handshakes: list[int] = []
        self._open()

    def _open(self) -> None:
        target = self._does("Target.createTarget", url="about:blank")
        attached = self._does("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._does(f"{domain}.enable")

    def _does(self, method: str, **params: Any) -> Any:
        self._sent += 1
        call = {"id": self._sent, "method": method, "params": params, **self._session}
        self._talk.send(json.dumps(call))
        while True:
            heard = json.loads(self._talk.recv(LIMIT_S))
            if heard.get("id") == self._sent:
                assert "error" not in heard, (method, heard["error"])
                return heard["result"]
            self._notes(heard.get("method"), heard["params"])

    def _notes(self, method: str, params: Any) -> None:
        match method:
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Network.webSocketCreated":
                self.requests.append(params["url"])
            case "Network.webSocketHandshakeResponseReceived":
                self.handshakes.append(params["response"]["status"])
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.complaints.append(params["entry"]["text"])
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.complaints.append(str(params["args"]))
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"]))

    def goes_to(self, url: str) -> None:
        assert "errorText" not in self._does("Page.navigate", url=url)
        self.waits_for("document.readyState === 'complete'")

    def says(self, expression: str) -> Any:
        """Return the JSON value of an expression."""
        result = self._does("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, (expression, result["exceptionDetails"])
        return result["result"].get("value")

    def waits_for(self, expression: str) -> Any:
        return eventually(expression, lambda: self.says(expression), LIMIT_S)

    def clicks(self, element: str) -> None:
        """Click on what an expression finds, once it is there."""
        self.waits_for(f"!!({element})")
        self.says(f"void ({element}).click()")

    def types(self, element: str, text: str) -> None:
        """Type over what is in a field."""
        self.waits_for(f"!!({element})")
        self.says(f"({element}).focus(); void ({element}).select()")
        self._does("Input.insertText", text=text)

    def photographs(self, path: Path) -> None:
        taken = self._does("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(taken["data"]))


@contextmanager
def chromium(path: str) -> Iterator[Page]:
    with (
        tempfile.TemporaryDirectory(prefix="polyagent-browser-") as profile,
        _process(path, Path(profile)),
        connect(_address(Path(profile)), proxy=None, max_size=None) as talk,
    ):
        yield Page(talk)


@contextmanager
def _process(path: str, profile: Path) -> Iterator[None]:
    words = [
        *(path, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={profile}"),
        *("--no-first-run", "--disable-background-networking", "--no-proxy-server"),
        *("--disable-component-update", "--disable-sync", "--window-size=1200,1000"),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),  # which root cannot have
    ]
    null = subprocess.DEVNULL
    process = subprocess.Popen([*words, "about:blank"], stdout=null, stderr=null)
    try:
        yield
    finally:
        process.terminate()
        process.wait(LIMIT_S)
        eventually("its children have left", lambda: not users_of(profile))


def _address(profile: Path) -> str:
    told = profile / "DevToolsActivePort"
    lines = eventually("it tells its port", lambda: told.exists() and told.read_text().split())
    return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
