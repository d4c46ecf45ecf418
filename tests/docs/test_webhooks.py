"""What docs/webhooks.md shows verifies what is sent, and nothing else."""

import base64
import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from polyagent.domain.webhook import new_secret, secret_text, signatures

PAGE = (Path(__file__).parents[2] / "docs/webhooks.md").read_text()
BODY = b'{"type":"run.completed","data":{"text":"\xc3\xa4"}}'
DRIVER = """
const [secret, headers, body] = JSON.parse(process.argv[1]);
verify(secret, headers, Buffer.from(body, "base64"));
"""

Verify = Callable[[str, Mapping[str, str], bytes], bool]


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def in_python(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    space: dict[str, Any] = {}
    exec(block("python"), space)  # noqa: S102  # a page of ours
    try:
        space["verify"](secret, headers, body)
    except ValueError:
        return False
    return True


def in_node(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    program = block("javascript") + DRIVER
    given = json.dumps([secret, headers, base64.b64encode(body).decode()])
    words = ["node", "--input-type=module", "-e", program, "--", given]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 or "Error: " in done.stderr, done.stderr
    assert "SyntaxError" not in done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("verify", [in_python, in_node])
def test_the_page_tells_what_is_sent_from_what_is_not(verify: Verify) -> None:
    now, old, new = int(time.time()), new_secret(), new_secret()

    def headers(*secrets: bytes, at: int = now) -> dict[str, str]:
        signed = signatures(secrets, "msg_1", at, BODY)
        return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": signed}

    mine = secret_text(new)
    assert verify(mine, headers(new), BODY)
    assert verify(mine, headers(old, new), BODY)
    assert not verify(mine, headers(old), BODY)
    assert not verify(mine, headers(new), BODY + b" ")
    assert not verify(mine, headers(new) | {"webhook-id": "msg_2"}, BODY)
    assert not verify(mine, headers(new, at=now - 400), BODY)
    assert not verify(mine, headers(new) | {"webhook-signature": "v1,"}, BODY)
