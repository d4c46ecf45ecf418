"""Identifiers."""

import threading
import time
from uuid import RFC_4122, UUID

from polyagent.domain.ids import new_id


def milliseconds(identifier: UUID) -> int:
    return identifier.int >> 80


def test_an_id_has_the_layout_of_uuid_7() -> None:
    before_ms = time.time_ns() // 1_000_000

    identifier = new_id()

    assert (identifier.version, identifier.variant) == (7, RFC_4122)
    assert before_ms <= milliseconds(identifier) <= time.time_ns() // 1_000_000 + 1


def test_ids_grow() -> None:
    ids = [new_id() for _ in range(10_000)]

    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_ids_of_several_threads_are_all_different() -> None:
    ids: list[UUID] = []

    def make() -> None:
        mine = [new_id() for _ in range(2_000)]
        assert mine == sorted(mine)
        ids.extend(mine)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(ids)) == 8_000


def test_ids_sort_as_text_as_they_do_as_numbers() -> None:
    ids = [new_id() for _ in range(1_000)]

    assert sorted(map(str, ids)) == list(map(str, ids))
