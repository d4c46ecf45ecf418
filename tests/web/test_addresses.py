"""Addresses that people have tried on servers like this one, and what becomes of them."""

from ipaddress import ip_address

import pytest

from polyagent.adapters.web.guarded import GuardedClient
from polyagent.domain.errors import AddressRefused, FetchFailed
from polyagent.domain.network import Allowance, is_public
from polyagent.domain.outbound import Fetch, Fetched
from tests.web.conftest import Clients, Names
from tests.web.server import WebServer

REFUSED = """
    http://127.0.0.1:{port}/ http://127.8.9.10:{port}/ http://localhost:{port}/ http://LocalHost:{port}/
    http://localhost.:{port}/ http://sub.localhost:{port}/ http://2130706433:{port}/ http://0x7f000001:{port}/
    http://0x7f.1:{port}/ http://0177.0.0.1:{port}/ http://017700000001:{port}/ http://127.1:{port}/
    http://127.0.1:{port}/ http://0:{port}/ http://0.0.0.0:{port}/ http://127.0.0.1.:{port}/
    http://127.0.0.01:{port}/ http://0x7F.0x0.0x0.0x1:{port}/ http://[::1]:{port}/ http://[::]:{port}/
    http://[0:0:0:0:0:0:0:1]:{port}/ http://[::ffff:127.0.0.1]:{port}/ http://[::ffff:7f00:1]:{port}/
    http://[::127.0.0.1]:{port}/ http://[64:ff9b::7f00:1]:{port}/ http://[64:ff9b:1::7f00:1]:{port}/
    http://[2002:7f00:1::]:{port}/ http://[2001:0:1::1]:{port}/ http://[fe80::1]:{port}/
    http://[fe80::1%25lo]:{port}/ http://[::1%25lo]:{port}/ http://[fe80::1%lo]:{port}/ http://[fc00::1]/
    http://[fd00:ec2::254]/ http://[ff02::1]/ http://[fec0::1]/ http://[100::1]/ http://[2001:db8::1]/
    http://[3fff::1]/ http://[5f00::1]/ http://[::ffff:a9fe:a9fe]/ http://[v1.x]/ http://[::1/ http://[]/
    http://\u2460\u2461\u2466.0.0.1:{port}/ http://127\u30020\u30020\u30021:{port}/
    http://\uff11\uff12\uff17.0.0.1:{port}/ http://\u24dbocalhost:{port}/ http://lo\u00adcalhost:{port}/
    http://169.254.169.254/latest/meta-data/ http://169.254.170.2/ http://100.100.100.200/ http://192.0.0.192/
    http://168.63.129.16/ http://10.0.0.1/ http://172.16.0.1/ http://172.31.255.255/ http://192.168.0.1/
    http://100.64.0.1/ http://198.18.0.1/ http://192.0.2.1/ http://224.0.0.1/ http://240.0.0.1/
    http://255.255.255.255/ http://192.88.99.1/ http://private.test:{port}/ http://mixed.test:{port}/
    http://six.test:{port}/ http://mapped.test:{port}/ http://metadata.test/ http://private.test.:{port}/
    http://user:password@server.test:{port}/ http://user@server.test:{port}/ http://@server.test:{port}/
    http://server.test:{port}@127.0.0.1:{port}/ http://127.0.0.1:{port}\\@server.test/ http://server.test\\@127.0.0.1/
    http://server.test:{port}#@127.0.0.1/\\x http://server.test%2f@127.0.0.1:{port}/ http://127.0.0.1%00.server.test/
    http://server.test%00:{port}/ http://server.test:0/ http://server.test:65536/ http://server.test:-1/
    http://server.test:x/ http:///127.0.0.1:{port}/ http:/127.0.0.1:{port}/ http:127.0.0.1:{port}/ http://
    http://:{port}/ http://? //127.0.0.1:{port}/ 127.0.0.1:{port} /etc/passwd file:///etc/passwd
    file://server.test/etc/passwd gopher://127.0.0.1:{port}/ ftp://server.test/ dict://127.0.0.1:6379/
    ldap://127.0.0.1/ jar:http://127.0.0.1!/ data:image/png;base64,AAAA javascript:alert(1) unix:///run/x.sock
    http+unix://%2Frun%2Fx.sock/ ws://server.test:{port}/ httpx://server.test:{port}/ server.test:{port}/
"""

SPACED = [
    "",
    " http://server.test:{port}/",
    "http://server.test:{port}/a b",
    "http://server.test:{port}/\r\nX-Injected: 1",
    "http://server.test:{port}/\n",
    "http://server.test:{port}/\0",
    "http://ser\tver.test:{port}/",
    "http://server.test:{port}/\ud800",
    "http://server.test:{port}/\u2028",
    "http://server.test:{port}/" + "a" * 9000,
    "ht\ntp://server.test:{port}/",
]

UNKNOWN = [
    "http://nowhere.test:{port}/",
    "http://a..b:{port}/",
    "http://" + "a" * 64 + ".test:{port}/",
    "http://xn--a:{port}/",
]


async def fetch(client: GuardedClient, url: str, **ask: object) -> Fetched:
    asked = {"max_bytes": 1000, "timeout_s": 30, **ask}
    return await client.fetch(Fetch(url=url, **asked))  # type: ignore[arg-type]  # tests vary them


@pytest.fixture
def client(clients: Clients, names: Names) -> GuardedClient:
    names.known |= {
        "private.test": [["10.0.0.1"]],
        "private.test.": [["10.0.0.1"]],
        "mixed.test": [["93.184.216.34", "127.0.0.1"]],
        "six.test": [["::1"]],
        "mapped.test": [["::ffff:127.0.0.1"]],
        "metadata.test": [["169.254.169.254"]],
    }
    return clients()


@pytest.mark.parametrize("url", [*REFUSED.split(), *SPACED])
async def test_what_leads_elsewhere_than_the_internet_is_refused(
    client: GuardedClient, server: WebServer, url: str
) -> None:
    with pytest.raises(AddressRefused) as refused:
        await fetch(client, url.replace("{port}", str(server.port)))

    assert server.asked == []
    assert "127.0.0.1" not in refused.value.detail


@pytest.mark.parametrize("url", UNKNOWN)
async def test_names_that_nobody_knows_are_told_to_be_unknown(
    client: GuardedClient, server: WebServer, url: str
) -> None:
    with pytest.raises(FetchFailed):
        await fetch(client, url.replace("{port}", str(server.port)))


@pytest.mark.parametrize(
    "url",
    [
        "http://server.test:{port}/page",
        "HTTP://SERVER.test:{port}/page",
        "http://server.test:{port}/page?a=http://127.0.0.1#x@y",
        "http://127.0.0.1:{port}/page",
        "http://[::ffff:127.0.0.1]:{port}/page",
        "http://trusted.test.:{port}/page",
    ],
)
async def test_what_an_administrator_allows_is_reached(
    clients: Clients, names: Names, server: WebServer, url: str
) -> None:
    names.known["trusted.test."] = [["127.0.0.1"]]
    server.pages = {"/page": b"here", "/page?a=http://127.0.0.1": b"here"}

    fetched = await fetch(
        clients("127.0.0.0/8", "trusted.test"), url.replace("{port}", str(server.port))
    )

    assert (fetched.status, fetched.body) == (200, b"here")


async def test_a_name_cannot_lead_elsewhere_once_it_was_judged(
    clients: Clients, names: Names, server: WebServer
) -> None:
    names.known["rebinding.test"] = [["127.0.0.1"], ["127.0.0.2"]]
    server.pages["/"] = b"here"
    client = clients("127.0.0.1/32")
    url = f"http://rebinding.test:{server.port}/"

    first = await fetch(client, url)
    assert names.asked == ["rebinding.test"]
    with pytest.raises(AddressRefused):
        await fetch(client, url)

    assert first.body == b"here"
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("url", "is_allowed"),
    [
        ("https://example.com/hook", True),
        ("http://93.184.216.34:8080/", True),
        ("http://[2606:4700::1111]/", True),
        ("http://private.test/", True),  # told when it is dialled
        ("http://10.1.2.3/", False),
        ("http://192.168.1.1/", False),
        ("http://localhost/", False),
        ("http://intranet.test/", True),
        ("ftp://example.com/", False),
        ("https://user@example.com/", False),
    ],
)
def test_an_address_that_is_kept_is_judged_without_a_lookup(
    clients: Clients, names: Names, url: str, is_allowed: bool
) -> None:
    client = clients("10.9.0.0/16", "intranet.test")

    try:
        client.require_allowed(url)
        told = True
    except AddressRefused:
        told = False

    assert told == is_allowed
    assert names.asked == []


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::808:808"]
)
def test_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "entry", ["10.0.0.1/8", "127.1", "http://x", "a b", "-x", "", "10.0.0.0/33"]
)
def test_what_is_no_network_and_no_name_cannot_be_allowed(entry: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Allowance.of([entry])
