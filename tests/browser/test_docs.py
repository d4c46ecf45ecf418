"""The documentation as somebody reads and tries it."""

from pathlib import Path

from tests.browser.chromium import Page
from tests.e2e.server import Up

OPERATION = "document.querySelector('[id$=-get_profile]')"
ANSWER = f"{OPERATION}?.querySelector('.live-responses-table tbody')"


def test_the_docs_load_from_their_own_server_without_a_complaint(up: Up, page: Page) -> None:
    page.goes_to(f"{up.url}/docs")
    page.waits_for("document.querySelectorAll('.opblock').length > 30")

    others = [url for url in page.requests if not url.startswith((up.url, "data:"))]
    assert others == []
    assert f"{up.url}/openapi.json" in page.requests
    assert page.complaints == []


def test_a_reader_authorises_and_tries_an_operation(
    up: Up, token: str, page: Page, tmp_path: Path
) -> None:
    page.goes_to(f"{up.url}/docs")
    page.clicks("document.querySelector('.btn.authorize')")
    page.types("document.querySelector('.modal-ux input')", token)
    page.clicks("document.querySelector('.modal-ux .btn.authorize')")
    page.clicks("document.querySelector('.modal-ux .btn-done')")
    page.clicks(f"{OPERATION}.querySelector('.opblock-summary-control')")
    page.clicks(f"{OPERATION}.querySelector('.try-out__btn')")
    page.clicks(f"{OPERATION}.querySelector('.execute')")
    page.waits_for(f"!!({ANSWER})")
    page.says(f"{OPERATION}.scrollIntoView()")
    page.photographs(tmp_path / "docs.png")

    told = page.says(f"{ANSWER}.innerText")
    assert told.split()[0] == "200"
    assert '"username": "admin"' in told
    assert page.complaints == []


def test_the_docs_lead_to_the_frames_of_the_sockets(up: Up, page: Page) -> None:
    page.goes_to(f"{up.url}/docs")
    page.clicks("document.querySelector('a[href=\"/asyncapi.json\"]')")

    page.waits_for("document.body.innerText.includes('\"asyncapi\"')")
