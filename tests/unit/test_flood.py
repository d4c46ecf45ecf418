"""How many refusals are noted."""

from polyagent.domain.audit import MOST_OF_ALL, MOST_OF_ONE, WINDOW_S, Flood


def test_of_one_only_some_are_noted_and_the_next_window_says_how_many_were_left_out() -> None:
    flood = Flood()

    noted = [flood.admit("credentials", "192.0.2.1", 0.0) for _ in range(100)]

    assert noted == [0] * MOST_OF_ONE + [None] * (100 - MOST_OF_ONE)
    assert flood.admit("login", "somebody", 1.0) == 0
    assert flood.admit("credentials", "192.0.2.1", WINDOW_S) == 100 - MOST_OF_ONE
    assert flood.admit("credentials", "192.0.2.1", WINDOW_S) == 0


def test_many_addresses_do_not_leave_more_than_one_process_notes() -> None:
    flood = Flood()

    noted = [flood.admit("login", f"192.0.2.{n}", 0.0) for n in range(10_000)]

    assert [each for each in noted if each is not None] == [0] * MOST_OF_ALL
    assert flood.admit("request", "somebody", 0.0) == 0
    assert flood.admit("login", "192.0.2.1", WINDOW_S) == 10_000 - MOST_OF_ALL
