"""A running server, over HTTP."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, Literal, Self
from uuid import UUID

import httpx
import msgspec

from polyagent.adapters.cli.exits import Failed
from polyagent.domain.errors import Unavailable
from polyagent.domain.health import Health

SILENCE_S = 45.0  # a stream says something every 15 s
LEAST_PAUSE_S = 0.1
DIRECT = {f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")}  # past any proxy
AGENT = "agent/"
AWAY = frozenset({502, 503, 504})


class Refused(Failed):
    """The server does not want it: `reason` is its code. After `pause_s` it may, where that is said."""

    def __init__(self, detail: str, *, reason: str, pause_s: float | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.pause_s = pause_s


class Lost(Unavailable):
    """The connection broke: what was asked may have been done."""


class Away(Lost):
    """No server answers, or not now: nothing was done. `may_return`: it may be starting again."""

    may_return = True


class ModelAway(Away):
    """The server is there, the model service is not."""

    may_return = False


class Server:
    """`token` gives a fresh access token each time."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        timeout = httpx.Timeout(30, connect=5, read=SILENCE_S)
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=timeout, mounts=DIRECT)
        self._url = url
        self._new_token = token
        self._token: str | None = None
        self.was_reached = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def health(self) -> Health:
        with self._reaching():
            response = self._http.get("/health")
        try:
            return msgspec.json.decode(response.content, type=Health)
        except msgspec.DecodeError as error:
            raise self._stranger() from error

    def agents(self) -> Iterator[dict[str, Any]]:
        return self._items("/api/v1/agents")

    def agent_named(self, name: str) -> UUID:
        """Raises `Failed` if there is no such agent."""
        for agent in self.agents():
            if agent["name"] == name:
                return UUID(agent["id"])
        raise Failed(f"There is no agent named {name}.")

    def models(self) -> list[str]:
        """Return the names of the models that answer as themselves."""
        listed = self._json("GET", "/v1/models")["data"]
        return [model["id"] for model in listed if not model["id"].startswith(AGENT)]

    def last_sessions(self) -> list[dict[str, Any]]:
        """Return sessions, the one that was used last first; of very many the newest."""
        page = self._json("GET", "/api/v1/chat/sessions", params={"limit": "100"})
        found: list[dict[str, Any]] = page["items"]
        return sorted(found, key=lambda session: str(session["updated_at"]), reverse=True)

    def session(self, session_id: str) -> dict[str, Any]:
        """Raises `Failed` if there is no such session."""
        try:
            found: dict[str, Any] = self._json("GET", f"/api/v1/chat/sessions/{UUID(session_id)}")
        except ValueError:
            raise Failed(f"There is no session {session_id}; /sessions lists them.") from None
        return found

    def messages(self, session_id: str) -> Iterator[dict[str, Any]]:
        return self._items(f"/api/v1/chat/sessions/{session_id}/messages")

    def tasks(self, **query: str) -> Iterator[dict[str, Any]]:
        """Yield tasks, the newest first; `query` as the API takes it."""
        return self._items("/api/v1/tasks", **query)

    def task(self, task_id: UUID) -> dict[str, Any]:
        found: dict[str, Any] = self._json("GET", f"/api/v1/tasks/{task_id}")
        return found

    def change_task(self, task_id: UUID, verb: Literal["cancel", "retry"]) -> dict[str, Any]:
        changed: dict[str, Any] = self._json("POST", f"/api/v1/tasks/{task_id}/{verb}")
        return changed

    def schedules(self) -> Iterator[dict[str, Any]]:
        """Yield schedules, the newest first."""
        return self._items("/api/v1/schedules")

    def change_schedule(
        self, schedule_id: UUID, verb: Literal["pause", "resume", "trigger"]
    ) -> dict[str, Any]:
        """Return the schedule; of `trigger` the task."""
        changed: dict[str, Any] = self._json("POST", f"/api/v1/schedules/{schedule_id}/{verb}")
        return changed

    def documents(self, **query: str) -> Iterator[dict[str, Any]]:
        """Yield documents, the newest first; `query` as the API takes it."""
        return self._items("/api/v1/documents", **query)

    def document(self, document_id: str | UUID) -> dict[str, Any]:
        found: dict[str, Any] = self._json("GET", f"/api/v1/documents/{document_id}")
        return found

    def upload(self, name: str, file: BinaryIO, fields: Mapping[str, str]) -> dict[str, Any]:
        """Send a file as it is read, from its beginning."""
        sent: dict[str, Any] = self._json(
            *("POST", "/api/v1/documents/upload"), files={"file": (utf8(name), file)}, data=fields
        )
        return sent

    def delete_document(self, document_id: UUID) -> None:
        with self._reaching():
            self._sent(self._http.build_request("DELETE", f"/api/v1/documents/{document_id}"))

    def search(self, ask: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._json("POST", "/api/v1/documents/search", json=ask)
        return found

    def user_id(self) -> str:
        """Return whom the server takes us for."""
        return str(self._json("GET", "/api/v1/users/profile")["id"])

    def _items(self, path: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield what a list holds, page after page."""
        cursor: dict[str, str] = {}
        while True:
            page = self._json("GET", path, params={"limit": "100", **query, **cursor})
            yield from page["items"]
            if not page["next_cursor"]:
                return
            cursor = {"cursor": page["next_cursor"]}

    def cancel(self, run_id: str) -> None:
        self._json("POST", f"/api/v1/runs/{run_id}/cancel")

    @contextmanager
    def asking(self, ask: Mapping[str, Any], key: str) -> Iterator[httpx.Response]:
        """Ask and stream the answer; the same `key` again means the same run."""
        headers = {"Idempotency-Key": key}
        with self._streaming("POST", "/api/v1/chat/stream", json=ask, headers=headers) as response:
            yield response

    @contextmanager
    def following(self, run_id: str, after: int) -> Iterator[httpx.Response]:
        """Stream the events of a run after the one with the id `after`."""
        headers = {"Last-Event-ID": str(after), "Accept": "text/event-stream"}
        path = f"/api/v1/runs/{run_id}/events"
        with self._streaming("GET", path, headers=headers) as response:
            yield response

    @contextmanager
    def _streaming(self, method: str, path: str, **request: Any) -> Iterator[httpx.Response]:
        with self._reaching():
            response = self._sent(self._http.build_request(method, path, **request), stream=True)
            try:
                if not (response.status_code == httpx.codes.NO_CONTENT or _is_stream(response)):
                    raise self._stranger()
                yield response
            finally:
                response.close()

    def _json(self, method: str, path: str, **request: Any) -> Any:
        with self._reaching():
            response = self._sent(self._http.build_request(method, path, **request))
        try:
            return response.json()
        except ValueError as error:
            raise self._stranger() from error

    def _sent(self, request: httpx.Request, *, stream: bool = False) -> httpx.Response:
        """Raises `Away`, and `Failed` for what is refused."""
        response = self._authorised(request, stream=stream)
        if response.is_success:
            self.was_reached = True
            return response
        response.read()
        detail, code = _problem(response)
        if response.status_code not in AWAY:
            raise Refused(detail, reason=code, pause_s=_pause_s(response))
        raise ModelAway(detail) if code.startswith("model_service") else Away(detail)

    def _authorised(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        """Send with a token, and once more with a new one if that has run out."""
        request.headers["Authorization"] = f"Bearer {self._bearer(renew=False)}"
        response = self._http.send(request, stream=stream)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            response.close()
            request.headers["Authorization"] = f"Bearer {self._bearer(renew=True)}"
            response = self._http.send(request, stream=stream)
        return response

    def _bearer(self, *, renew: bool) -> str:
        if self._token is None or renew:
            self._token = self._new_token()
        return self._token

    def _stranger(self) -> Failed:
        return Failed(f"What answers at {self._url} is no PolyAgent server.")

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Away(f"No server answers at {self._url}; start one: polyagent up") from error
        except httpx.TransportError as error:
            raise Lost(f"The connection to {self._url} broke: {error}") from error


def _is_stream(response: httpx.Response) -> bool:
    kind: str = response.headers.get("Content-Type", "")
    return kind.startswith("text/event-stream")


def _pause_s(response: httpx.Response) -> float | None:
    """Return what `Retry-After` says in seconds, of which at least a little is waited."""
    said = response.headers.get("Retry-After", "")
    return max(LEAST_PAUSE_S, float(said)) if said.isdecimal() else None


def utf8(text: str) -> str:
    """Return a text as it can be sent, whatever bytes the system took it from."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _problem(response: httpx.Response) -> tuple[str, str]:
    """Return detail and code of an answer in the form of RFC 9457, else its status and no code."""
    try:
        problem = response.json()
        return str(problem["detail"]), str(problem.get("code", ""))
    except (ValueError, KeyError, TypeError):
        return f"The server answered {response.status_code} {response.reason_phrase}.", ""
