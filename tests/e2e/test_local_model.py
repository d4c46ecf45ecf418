"""The real model that a bare start brings. Shape and ends are asserted, never words."""

from collections.abc import Iterator

import pytest

from tests.e2e.server import Up, sse


@pytest.fixture(scope="module")
def bare() -> Iterator[Up]:
    with Up(None) as server:
        yield server


def test_a_bare_start_streams_an_answer_from_a_real_model(bare: Up) -> None:
    headers = {"Authorization": f"Bearer {bare.token()}"}
    ask = {"message": "What is the capital of France?"}

    with bare.http.stream("POST", "/api/v1/chat/stream", json=ask, headers=headers) as response:
        events = list(sse(response.iter_lines()))

    assert events[-1]["type"] == "run.completed"
    deltas = [event["text"] for event in events if event["type"] == "message.delta"]
    assert len(deltas) > 1
    assert events[-1]["usage"]["output_tokens"] > 0


def test_chat_streams_in_the_terminal(bare: Up) -> None:
    done = bare.run("chat", "Say hello.")

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_an_agent_whose_tools_somebody_chose_says_that_the_model_has_none(bare: Up) -> None:
    headers = {"Authorization": f"Bearer {bare.token()}"}
    ask = {"message": "What is 2 + 2?", "tools": ["calculator"]}

    answer = bare.http.post("/api/v1/chat", json=ask, headers=headers).json()

    assert "cannot call tools" in answer["message"]["content"]


def test_health_says_that_it_is_a_demonstration(bare: Up) -> None:
    model = bare.http.get("/health").json()["components"]["model_service"]

    assert model["status"] == "ok"
    assert "demonstration" in str(model)
