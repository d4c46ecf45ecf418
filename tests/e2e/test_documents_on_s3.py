"""Documents in an object store that two gateways and their workers share; S3 is moto's, on this machine."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import UUID

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from tests.e2e.fleet import Fleet
from tests.e2e.papers import Papers, pieces_of
from tests.e2e.server import eventually

BUCKET = "papers"
LARGE = 12_000_000
PARTS = b"A line of a large file, with nothing in it to find.\n"


class Warehouse:
    """The same documents at two gateways, `one` and `other`."""

    def __init__(self, url: str, one: Papers, other: Papers) -> None:
        self.one = one
        self.other = other
        self._s3 = boto3.client("s3", endpoint_url=url, region_name="us-east-1")

    def names(self) -> list[str]:
        listed = self._s3.list_objects_v2(Bucket=BUCKET)
        return [each["Key"] for each in listed.get("Contents", ())]

    def unfinished(self) -> int:
        return len(self._s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ()))


@pytest.fixture(scope="module")
def warehouse(model_service: str) -> Iterator[Warehouse]:
    s3 = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        s3.start()
        stack.callback(s3.stop)
        host, port = s3.get_host_and_port()
        url = f"http://{host}:{port}"
        environ = {
            "POLYAGENT_DOCUMENTS__STORAGE": f"s3://{BUCKET}",
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, environ[name])
        boto3.client("s3", endpoint_url=url, region_name="us-east-1").create_bucket(Bucket=BUCKET)
        fleet = stack.enter_context(Fleet(model_service, gateways=1, workers=0, environ=environ))
        (gateway,) = fleet.gateways.values()
        headers = {"Authorization": f"Bearer {fleet.up.token()}"}
        clients = [
            stack.enter_context(
                httpx.Client(base_url=at, headers=headers, timeout=60, trust_env=False)
            )
            for at in (fleet.up.url, gateway)
        ]
        eventually("the other gateway is ready", lambda: _is_ready(clients[1]))
        yield Warehouse(url, *(Papers(client, fleet.up.data_dir) for client in clients))


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_what_one_gateway_takes_another_gives_and_deletes(warehouse: Warehouse) -> None:
    text = "Of the badger nothing is told. " * 2000

    document = warehouse.one.uploaded("badger.txt", text.encode())
    (name,) = warehouse.names()
    done = warehouse.other.settled(document)
    content = warehouse.other.content(document)
    chunks = [(c["n"], c["start"], c["end"], c["text"]) for c in warehouse.other.chunks(document)]
    found = warehouse.other.found("badger")
    gone = warehouse.other.delete(document)

    assert UUID(name).version == 7
    assert (done["status"], content) == ("indexed", text.encode())
    assert chunks == pieces_of(text)
    assert {each["document_id"] for each in found} == {document["id"]}
    assert gone.status_code == 204
    assert warehouse.one.http.get(f"/api/v1/documents/{document['id']}").status_code == 404
    assert warehouse.one.found("badger") == []
    assert warehouse.names() == []


def test_what_is_refused_leaves_no_part_behind(warehouse: Warehouse) -> None:
    torn = warehouse.one.upload("noise.bin", b"\x89PNG" + os.urandom(LARGE))

    assert torn.status_code == 415
    assert (warehouse.names(), warehouse.unfinished()) == ([], 0)


def test_a_large_file_goes_in_parts_and_comes_back_whole(warehouse: Warehouse) -> None:
    content = PARTS * (LARGE // len(PARTS))

    document = warehouse.one.uploaded("large.txt", content)
    back = warehouse.other.content(document)
    gone = warehouse.one.delete(document)

    assert back == content
    assert gone.status_code == 204
    assert (warehouse.names(), warehouse.unfinished()) == ([], 0)
