import pytest

from polyagent.adapters.openai.address import Address
from polyagent.domain.errors import Invalid


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1/chat/completions"),
        ("http://localhost:8000/", "http://localhost:8000/v1/chat/completions"),
        ("https://host/v1/", "https://host/v1/chat/completions"),
        ("https://host/openai/v1", "https://host/openai/v1/chat/completions"),
        ("https://host/v1beta/openai", "https://host/v1beta/openai/chat/completions"),
        ("https://host/llm", "https://host/llm/v1/chat/completions"),
        ("https://host/v1/chat/completions", "https://host/v1/chat/completions"),
        ("http://host/v1?api-version=2", "http://host/v1/chat/completions?api-version=2"),
        ("http://[::1]:8000", "http://[::1]:8000/v1/chat/completions"),
        ("unix:/tmp/model.sock", "http://localhost/v1/chat/completions"),
    ],
)
def test_an_address_with_or_without_v1_leads_to_the_same_place(text: str, url: str) -> None:
    assert str(Address.parse(text).url("/chat/completions")) == url


@pytest.mark.parametrize(
    "text", ["", "localhost:8000", "ftp://host", "http://", "http://me:secret@host", "http://h:x"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Address.parse(text)


def test_only_the_host_is_shown() -> None:
    assert Address.parse("https://host:8443/secret/v1?key=x").host == "host:8443"
    assert Address.parse("unix:/home/me/model.sock").host == "unix"
