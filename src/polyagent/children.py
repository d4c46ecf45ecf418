"""Child processes between the server and what could harm it: what they are told, and what holds them."""

import os
import resource
import sys
import threading

# all that an interpreter needs; our own environment is full of secrets
_ENVIRONMENT = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


def bare_environment() -> dict[str, str]:
    """Return the environment of a child, which has none of our secrets."""
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}


def limit(what: int, most: int) -> None:
    """Allow this process no more of a resource, one of `resource.RLIMIT_*`."""
    _, hard = resource.getrlimit(what)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (allowed, allowed))


def end_with_stdin() -> None:
    """Have this process end when its stdin does: whoever holds the other end is gone then."""
    threading.Thread(target=_end_with_stdin, daemon=True).start()


def _end_with_stdin() -> None:
    # not through sys.stdin, whose lock the main thread may want
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)
