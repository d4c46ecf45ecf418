"""Run the scripted model service as a process; it prints its address."""

import argparse
import asyncio
import sys

from tests.model_service.server import ModelService


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.model_service")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--key")
    asked = parser.parse_args()
    async with ModelService(port=asked.port, strict=asked.strict, key=asked.key) as service:
        sys.stdout.write(f"{service.url}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


asyncio.run(main())
