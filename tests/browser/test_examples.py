"""The page of examples/browser, on an origin that the server lists and on one that it does not."""

import os
import signal
from typing import Any

import httpx
import pytest

from tests.browser.chromium import Page
from tests.e2e.server import Up
from tests.e2e.test_deaths import pid_of

STATUS = "document.getElementById('status').textContent"
ANSWER = "document.getElementById('answer').textContent"
EVENTS = "[...document.querySelectorAll('#events li')].map((item) => item.textContent)"


def opened(page: Page, origin: str, up: Up, token: str) -> None:
    page.goes_to(f"{origin}/index.html")
    page.types("document.getElementById('server')", up.url)
    page.types("document.getElementById('token')", token)


def asks(page: Page, way: str, message: str) -> None:
    page.types("document.getElementById('message')", message)
    page.clicks(f"document.querySelector('[data-way={way}]')")


def reads(up: Up, token: str, path: str) -> list[Any]:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return list(up.http.get(path, headers=headers).raise_for_status().json()["items"])


def journal(up: Up, token: str) -> list[Any]:
    """Return the events of the newest run as the server keeps them."""
    (run,) = reads(up, token, "/api/v1/runs?limit=1")
    return reads(up, token, f"/api/v1/runs/{run['id']}/events?after=0")


@pytest.mark.parametrize("way", ["events", "ticket", "token"])
def test_a_page_of_a_listed_origin_chats(
    up: Up, token: str, listed: str, page: Page, way: str
) -> None:
    opened(page, listed, up, token)
    asks(page, way, "say one two three")
    page.waits_for(f"{STATUS} !== 'asking' && {STATUS}")

    assert page.says(STATUS) == "done"
    assert page.says(ANSWER).split() == ["one", "two", "three"]
    assert page.complaints == []
    assert not any(token in url for url in page.requests)


@pytest.mark.parametrize("way", ["events", "ticket", "token"])
def test_nothing_is_missed_when_the_gateway_is_killed(
    up: Up, token: str, listed: str, page: Page, model_control: httpx.Client, way: str
) -> None:
    opened(page, listed, up, token)
    asks(page, way, f"hold {way}")
    page.waits_for(f"{ANSWER}.includes('holding')")
    os.kill(pid_of(up, "polyagent serve"), signal.SIGKILL)
    model_control.post(f"/release/{way}")
    page.waits_for(f"{STATUS} !== 'asking' && {STATUS}")

    told = [item.split() for item in page.says(EVENTS)]
    ids = [int(number) for number, _ in told]
    durable = {(str(event["id"]), event["type"]) for event in journal(up, token)}
    assert page.says(STATUS) == "done"
    assert page.says(ANSWER).split() == ["holding", "released"]
    assert ids == sorted(set(ids))
    assert durable <= {(number, kind) for number, kind in told}
    assert told[-1][1] == "run.completed"


def test_a_page_of_another_origin_is_refused(up: Up, token: str, foreign: str, page: Page) -> None:
    before = reads(up, token, "/api/v1/runs")
    opened(page, foreign, up, token)

    asks(page, "events", "say stolen")
    page.waits_for(f"{STATUS}.includes('Failed to fetch')")
    asks(page, "token", "say stolen")
    page.waits_for(f"{STATUS}.includes('The socket was closed')")

    assert any("blocked by CORS policy" in text for text in page.complaints)
    assert any("403" in text for text in page.complaints)
    assert 101 not in page.handshakes
    assert reads(up, token, "/api/v1/runs") == before
