import os
import subprocess
import sys
from pathlib import Path

import pytest

from polyagent.adapters.engines.host.lock import Held, Lock, holder, is_held, pause

HOLD = """
import sys
from pathlib import Path
from polyagent.adapters.engines.host.lock import Lock, pause
lock = Lock(Path(sys.argv[1]))
lock.acquire(pause=pause)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_is_held_until_its_holder_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()

        with Lock(path) as lock, pytest.raises(Held) as held:
            lock.acquire(pause=pause, wait_s=0)

        assert held.value.pid == process.pid == holder(path)
        assert is_held(path)
        process.kill()
    assert not is_held(path)


def test_a_holder_that_was_killed_is_noticed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path) as lock:
        lock.acquire(pause=pause)

    with Lock(path) as lock:
        lock.acquire(pause=pause)

        assert lock.was_abandoned
        lock.release()
        lock.acquire(pause=pause)
        assert not lock.was_abandoned


def test_a_child_that_inherits_the_lock_holds_it_too(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path) as lock:
        lock.acquire(pause=pause)
        child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()])

    with child:
        assert is_held(path)
        assert holder(path) == os.getpid()
    assert not is_held(path)
