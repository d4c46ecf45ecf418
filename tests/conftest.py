import gc

import pytest

pytest_plugins = ["tests.engines", "tests.model_service.fixtures"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the collector pass over what is imported by now: it lives as long as the tests."""
    gc.collect()
    gc.freeze()
