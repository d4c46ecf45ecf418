"""One server for the tests that leave it whole; those that break it start their own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.chaos.ledger import APP, PATH, Ledger
from tests.e2e.fleet import ROOT, Fleet
from tests.e2e.house import House
from tests.e2e.server import Up, eventually

DRAIN_S = 6
PLACES = 4


@pytest.fixture(scope="session")
def up(model_service: str) -> Iterator[Up]:
    with Up(model_service) as server:
        yield server


@pytest.fixture(scope="session")
def token(up: Up) -> str:
    return up.token()


@pytest.fixture
def api(up: Up, token: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=up.url, headers=headers, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def house(model_service: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two gateways and a worker beside an `up`, each with four places for runs; whoever breaks one mends it."""
    file = tmp_path_factory.mktemp("ledger") / "lines"
    environ = {
        "POLYAGENT_APP": APP,
        PATH: str(file),
        "PYTHONPATH": str(ROOT),
        "POLYAGENT_SERVER__DRAIN_S": str(DRAIN_S),
        "POLYAGENT_LIMITS__CONCURRENT_RUNS": str(PLACES),
    }
    with (
        Fleet(model_service, gateways=2, workers=1, environ=environ) as fleet,
        ThreadPoolExecutor(max_workers=32) as readers,
    ):
        made = House(fleet, Ledger(file), readers)
        for gateway in fleet.gateways.values():
            eventually("the gateways are ready", lambda at=gateway: made.is_ready(at))
        yield made
        made.http.close()
