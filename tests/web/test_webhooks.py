"""Deliveries to receivers on a socket that take them, refuse them, or are up to something."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from standardwebhooks import Webhook as Verifier

from polyagent.adapters.memory.clock import ManualClock
from polyagent.adapters.memory.state import State
from polyagent.adapters.memory.store import MemoryStore
from polyagent.adapters.system.clock import SystemClock
from polyagent.adapters.vault.seals import AesSeals
from polyagent.domain.account import DEFAULT_WORKSPACE, Actor
from polyagent.domain.errors import (
    AddressRefused,
    DeliveryFailed,
    PolyAgentError,
    ReceiverGone,
    TaskGivenUp,
)
from polyagent.domain.ids import new_id
from polyagent.domain.page import PageAsk
from polyagent.domain.task import TaskWork
from polyagent.domain.webhook import (
    MadeWebhook,
    NewWebhook,
    PatchWebhook,
    SendWebhook,
    Webhook,
    WebhookPolicy,
)
from polyagent.settings import Auth
from polyagent.usecases.audit import Audit
from polyagent.usecases.deliver_webhook import DeliverWebhook, Sent
from polyagent.usecases.webhooks import ManageWebhooks
from tests.web.conftest import Clients, Names
from tests.web.server import WebServer

DELAYS_S = (5.0, 300.0, 1800.0)
EVENT = {"type": "run.completed", "timestamp": "2026-01-01T00:00:00Z", "data": {"run_id": "r"}}
SHORT_S = 0.3
CERTIFICATE = Path(__file__).parents[1] / "model_service/localhost.pem"


class Post:
    """Webhooks of one user, whose receivers are all `server`."""

    def __init__(self, server: WebServer, clients: Clients, timeout_s: float) -> None:
        self.server = server
        self.clock = ManualClock(SystemClock().now().replace(microsecond=0))
        self.store = MemoryStore(State(), self.clock)
        self.disabled: list[str] = []
        self.ann = Actor(new_id(), DEFAULT_WORKSPACE, "member")
        policy = WebhookPolicy(timeout_s=timeout_s, retry_delays_s=DELAYS_S, most=5)
        seals = AesSeals.of(Auth(jwt_secret="a-secret-that-only-these-tests-know-of"))
        audit = Audit(self.store, self.clock)
        ports = (self.store, clients(), seals, self.clock, audit, policy)
        self.webhooks = ManageWebhooks(*ports)
        self.deliver = DeliverWebhook(*ports)

    async def hook(self, path: str = "/took", *, scheme: str = "http") -> MadeWebhook:
        url = f"{scheme}://server.test:{self.server.port}{path}"
        return await self.webhooks.create(self.ann, NewWebhook(url=url, events=("*",)))

    def work(self, webhook_id: UUID | None, payload: dict[str, Any], tries: int = 1) -> TaskWork:
        return TaskWork(
            id=new_id(),
            kind="webhook",
            payload=payload,
            attempt=tries,
            max_attempts=10,
            timeout_s=30,
            workspace_id=DEFAULT_WORKSPACE,
            user_id=self.ann.user_id,
            webhook_id=webhook_id,
        )

    async def delivers(self, webhook: Webhook, *, tries: int = 1, **payload: Any) -> Sent:
        work = self.work(webhook.id, {**EVENT, **payload}, tries)
        return await self.deliver(self.ann, webhook.id, work, disabled=self.disabled.append)

    async def fails(self, webhook: Webhook, *, tries: int = 1) -> PolyAgentError:
        with pytest.raises(PolyAgentError) as failed:
            await self.delivers(webhook, tries=tries)
        return failed.value

    async def now(self, webhook: Webhook) -> Webhook:
        return await self.webhooks.get(self.ann, webhook.id)


@asynccontextmanager
async def _post(
    clients: Clients, timeout_s: float, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Post]:
    async with WebServer().open(tls) as server:
        server.pages["/took"] = b"thanks"
        yield Post(server, clients, timeout_s)


@pytest.fixture
async def post(clients: Clients) -> AsyncIterator[Post]:
    async with _post(clients, 30) as post:
        yield post


def received(post: Post) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of the last request."""
    head, _, body = post.server.requests[-1].partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:]
    headers = (line.partition(":") for line in lines)
    return {name.lower(): value.strip() for name, _, value in headers}, body


def verified(post: Post, secret: str) -> Any:
    """Verify the last request, and return its body as JSON."""
    headers, body = received(post)
    return Verifier(secret).verify(body, headers)


async def test_what_is_sent_verifies_as_a_standard_webhook(post: Post) -> None:
    webhook = await post.hook()

    sent = await post.delivers(webhook)

    headers, _ = received(post)
    assert sent == Sent(200)
    assert verified(post, webhook.secret) == EVENT
    assert headers["content-type"] == "application/json"
    assert post.server.asked == ["POST /took HTTP/1.1"]


async def test_another_secret_does_not_verify(post: Post) -> None:
    webhook, other = await post.hook(), await post.hook()

    await post.delivers(webhook)

    with pytest.raises(Exception, match="No matching signature"):
        verified(post, other.secret)


async def test_the_id_is_that_of_the_task_or_of_the_one_it_repeats(post: Post) -> None:
    webhook = await post.hook()
    work = post.work(webhook.id, EVENT)

    for _ in range(2):
        await post.deliver(post.ann, webhook.id, work, disabled=post.disabled.append)
    first, second = (request.lower() for request in post.server.requests)
    await post.delivers(webhook, message_id="msg_before")

    named = f"webhook-id: msg_{work.id.hex}\r\n".encode()
    assert named in first
    assert named in second
    assert received(post)[0]["webhook-id"] == "msg_before"
    assert verified(post, webhook.secret) == EVENT


async def test_both_secrets_sign_for_a_day_after_a_rotation(post: Post) -> None:
    old = await post.hook()
    new = await post.webhooks.rotate(post.ann, old.id)

    await post.delivers(old)
    both = received(post)[0]["webhook-signature"]
    for made in (old, new):
        verified(post, made.secret)
    post.clock.move(86_401)
    await post.delivers(old)

    assert len(both.split()) == 2
    assert len(received(post)[0]["webhook-signature"].split()) == 1


async def test_a_secret_of_ones_own_signs(post: Post) -> None:
    mine = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    url = f"http://server.test:{post.server.port}/took"

    made = await post.webhooks.create(post.ann, NewWebhook(url=url, events=("*",), secret=mine))
    await post.delivers(made)

    assert made.secret == mine
    verified(post, mine)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/wrong/" + quote("no <b>\x00 luck\n today"), "answered 500: no <b> luck today"),
        ("/status/404", "answered 404"),
        ("/redirect/" + quote("302 http://server.test/took"), "redirects are not followed"),
        ("/status/301", "redirects are not followed"),
        ("/endless", "answers more than 262144 bytes"),
        ("/garbage", "no HTTP"),
        ("/reset", "broke off"),
        ("/bomb", "compressed"),
    ],
)
async def test_a_receiver_that_does_not_take_it_is_asked_again_later(
    post: Post, path: str, told: str
) -> None:
    webhook = await post.hook(path)

    first, third, ninth = [await post.fails(webhook, tries=n) for n in (1, 3, 9)]

    assert told in first.detail
    assert isinstance(first, DeliveryFailed)
    assert [getattr(e, "retry_after_s", None) for e in (first, third, ninth)] == [5, 1800, 1800]
    assert len(post.server.asked) == 3
    assert (await post.now(webhook)).failing_since == post.clock.now()


async def test_a_receiver_that_is_slow_is_asked_again_later(clients: Clients) -> None:
    async with _post(clients, SHORT_S) as post:
        for path in ("/silent", "/slow"):
            failure = await post.fails(await post.hook(path))

            assert isinstance(failure, DeliveryFailed)
            assert failure.detail == "The address did not answer within 0.3 s."


async def test_a_receiver_whose_certificate_nobody_trusts_is_sent_nothing(clients: Clients) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(CERTIFICATE)
    async with _post(clients, 30, tls) as post:
        failure = await post.fails(await post.hook(scheme="https"))

        assert isinstance(failure, DeliveryFailed)
        assert failure.detail == "TLS with the address failed: its certificate is not trusted."
        assert post.server.asked == []


@pytest.mark.parametrize(("told", "waits_s"), [("120", 120), ("1", 5), ("soon", 5)])
async def test_a_receiver_may_ask_for_more_time(post: Post, told: str, waits_s: float) -> None:
    failure = await post.fails(await post.hook(f"/busy/{told}"))

    assert isinstance(failure, DeliveryFailed)
    assert failure.retry_after_s == waits_s


async def test_a_receiver_may_ask_for_more_time_by_a_date(post: Post) -> None:
    until = post.clock.now() + timedelta(hours=1)

    failure = await post.fails(
        await post.hook("/busy/" + quote(format_datetime(until, usegmt=True)))
    )

    assert isinstance(failure, DeliveryFailed)
    assert failure.retry_after_s == 3600


async def test_a_receiver_that_is_gone_is_left_alone(post: Post) -> None:
    webhook = await post.hook("/status/410")

    failure = await post.fails(webhook)

    found = await post.now(webhook)
    assert isinstance(failure, ReceiverGone)
    assert not failure.retryable
    assert (found.status, found.disabled_at) == ("disabled", post.clock.now())
    assert found.disabled_reason == "The receiver answered 410: it is gone."
    assert isinstance(await post.fails(webhook), TaskGivenUp)
    assert len(post.server.asked) == 1


async def test_a_day_of_failures_disables_and_is_noted(post: Post) -> None:
    webhook = await post.hook("/status/500")

    await post.fails(webhook)
    post.clock.move(86_399)
    await post.fails(webhook)
    before = await post.now(webhook)
    post.clock.move(1)
    await post.fails(webhook)

    after = await post.now(webhook)
    root = Actor(new_id(), DEFAULT_WORKSPACE, "admin")
    async with post.store.begin(root) as tx:
        entries = (await tx.audit.list(PageAsk(limit=10))).items
    assert (before.status, after.status) == ("active", "disabled")
    assert [after.disabled_reason] == post.disabled == ["The receiver answered 500"]
    assert [entry.action for entry in entries] == ["webhook.disabled", "webhook.created"]
    assert entries[0].details["owner_id"] == str(post.ann.user_id)


async def test_a_success_ends_the_failing(post: Post) -> None:
    webhook = await post.hook("/wrong/again")
    await post.fails(webhook)
    post.server.pages["/wrong/again"] = b"better"
    post.clock.move(86_400)

    await post.delivers(webhook)

    found = await post.now(webhook)
    assert (found.status, found.failing_since) == ("active", None)


async def test_one_that_is_made_active_again_has_failed_at_nothing(post: Post) -> None:
    webhook = await post.hook("/status/410")
    await post.fails(webhook)

    enabled = await post.webhooks.change(post.ann, webhook.id, PatchWebhook(status="active"))

    assert (enabled.status, enabled.failing_since) == ("active", None)
    assert (enabled.disabled_at, enabled.disabled_reason) == (None, None)
    assert isinstance(await post.fails(webhook), ReceiverGone)


async def test_a_webhook_that_was_deleted_is_sent_nothing(post: Post) -> None:
    webhook = await post.hook()
    await post.webhooks.delete(post.ann, webhook.id)

    assert isinstance(await post.fails(webhook), TaskGivenUp)
    assert post.server.asked == []


async def test_a_name_that_leads_inside_is_refused_when_it_is_kept(
    post: Post, names: Names
) -> None:
    names.known["inside.test"] = [["10.0.0.7"]]
    new = NewWebhook(url="http://inside.test/hook", events=("*",))

    with pytest.raises(AddressRefused) as refused:
        await post.webhooks.create(post.ann, new)

    assert [fault.pointer for fault in refused.value.faults] == ["#/url"]


async def test_a_name_that_leads_inside_the_second_time_is_refused_when_dialled(
    post: Post, names: Names
) -> None:
    names.known["rebinds.test"] = [["192.0.1.1"], ["127.0.0.1"]]
    url = f"http://rebinds.test:{post.server.port}/took"
    webhook = await post.webhooks.create(post.ann, NewWebhook(url=url, events=("*",)))

    failure = await post.fails(webhook)

    assert isinstance(failure, AddressRefused)
    assert post.server.asked == []
    assert (await post.now(webhook)).failing_since is not None


async def test_a_name_that_nobody_knows_yet_may_be_kept(post: Post) -> None:
    new = NewWebhook(url="http://later.test/hook", events=("*",))

    webhook = await post.webhooks.create(post.ann, new)

    assert isinstance(await post.fails(webhook), DeliveryFailed)


async def test_a_secret_that_cannot_be_opened_is_told(post: Post) -> None:
    webhook = await post.hook()
    async with post.store.begin(post.ann) as tx:
        await tx.webhooks.rotate(webhook.id, b"of another key", keep_s=0)

    failure = await post.fails(webhook)

    assert isinstance(failure, TaskGivenUp)
    assert "Rotate" in failure.detail
    assert post.server.asked == []


async def test_a_task_of_ones_own_is_sent_as_it_says(post: Post) -> None:
    url = f"http://server.test:{post.server.port}/took"
    ask = SendWebhook(url=url, body={"n": 1}, headers={"X-Mine": "yes", "Webhook-ID": "forged"})

    sent = await post.deliver.send(work := post.work(None, {}), ask)

    headers, body = received(post)
    assert (sent, body) == (Sent(200), b'{"n":1}')
    assert headers["x-mine"] == "yes"
    assert headers["webhook-id"] == f"msg_{work.id.hex}"
    assert "webhook-signature" not in headers
