"""What a child does about itself before it becomes what it is for.

    python -I -S trampoline.py PARENT DEATH_SIGNAL UID GID OOM_SCORE PROGRAM ARGUMENT...

As a script it ends by becoming PROGRAM. It imports nothing of ours: it runs before every engine.
"""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1
OOM_SCORE = Path("/proc/self/oom_score_adj")


def become(uid: int, gid: int) -> None:
    """Give up root for another account; without root there is nothing to give up."""
    if os.geteuid() == 0 and uid != 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)


def die_with(parent: int, death_signal: int) -> None:
    """Have the kernel send us `death_signal` when the thread that started us ends (Linux).

    Call it after `become`: a change of user clears it. https://man7.org/linux/man-pages/man2/pr_set_pdeathsig.2const.html
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:  # it ended before we could ask
            os._exit(1)


def offer(oom_score: int) -> None:
    """Let the kernel take us `oom_score` sooner than our parent when memory runs out (Linux)."""
    with suppress(OSError):
        score = int(OOM_SCORE.read_text()) + oom_score
        OOM_SCORE.write_text(str(min(score, 1000)))


def main(parent: str, death_signal: str, uid: str, gid: str, oom_score: str, *argv: str) -> None:
    offer(int(oom_score))
    become(int(uid), int(gid))
    die_with(int(parent), int(death_signal))
    os.execv(argv[0], argv)  # noqa: S606  no shell is the point


if __name__ == "__main__":
    main(*sys.argv[1:])
