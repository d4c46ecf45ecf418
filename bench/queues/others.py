"""The queues of others."""

from collections.abc import Mapping

from bench.queues.arq_queue import Arq
from bench.queues.pgqueuer_queue import PgQueuer
from bench.queues.rival import Working
from bench.queues.saq_queue import Saq
from bench.queues.taskiq_queue import Taskiq

OTHERS = (PgQueuer(), Saq(), Taskiq(), Arq())
WORKING: Mapping[str, Working] = {other.name: other for other in OTHERS}
