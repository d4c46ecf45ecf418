"""A worker of one of the others: `python -m bench.queues.worker NAME SLOTS`."""

import logging
import os
import sys

import uvloop

from bench.queues.note import Pen
from bench.queues.others import WORKING
from bench.queues.rival import Urls


def main() -> None:
    logging.basicConfig(level=logging.WARNING)
    name, slots = sys.argv[1:]
    urls = Urls(os.environ["DATABASE_URL"], os.environ["REDIS_URL"])
    uvloop.run(WORKING[name].work(urls, int(slots), Pen()))


if __name__ == "__main__":
    main()
