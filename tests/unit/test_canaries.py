"""Nothing that people give to a server is heard where it does not belong: tests/canaries.py marks all of it."""

import json
import subprocess
import sys

import pytest

LIMIT_S = 300


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_was_marked_is_heard_nowhere(log_format: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.canaries", log_format],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    report = json.loads(done.stdout)
    places = report["places"] | {"stderr": done.stderr}
    logs = places["logs"]

    leaks = {
        (place, mark[:6], text[max(0, text.index(mark) - 120) :][:160])
        for marks in ("secrets", "words")
        for mark in report[marks]
        for place, text in places.items()
        if mark in text and (place, marks) != ("problems", "words")
    }

    assert leaks == set()
    assert "request.defect" in logs
    assert "a call of a model failed" in logs
    assert "\x1b" not in logs
    assert "\u2028" not in logs
    if log_format == "json":
        assert {json.loads(line)["event"] for line in logs.splitlines()}.isdisjoint({"forged"})
    else:
        assert not any(line.startswith('{"event":"forged"') for line in logs.splitlines())
