"""The tests that docs/security/asvs.md names are there, and no requirement is answered twice or left out."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security/asvs.md").read_text()
TESTS = ROOT / "tests"

# How many requirements of levels 1 and 2 each section of 5.0.0 has, by its last number; level 3's are left out
OF_LEVEL_3 = frozenset(
    [
        "1.2.10",
        "1.3.12",
        "1.5.3",
        "2.3.5",
        "2.4.2",
        "3.1.1",
        "3.2.3",
        "3.3.5",
        "3.4.7",
        "3.4.8",
        "3.5.6",
        "3.5.7",
        "3.5.8",
        "3.6.1",
        "3.7.3",
        "3.7.4",
        "3.7.5",
        "4.1.4",
        "4.1.5",
        "4.2.2",
        "4.2.3",
        "4.2.4",
        "4.2.5",
        "5.2.4",
        "5.2.5",
        "5.2.6",
        "5.3.3",
        "6.3.5",
        "6.3.6",
        "6.3.7",
        "6.3.8",
        "6.4.5",
        "6.4.6",
        "6.5.6",
        "6.5.7",
        "6.5.8",
        "6.6.4",
        "6.7.1",
        "6.7.2",
        "7.5.3",
        "8.1.3",
        "8.1.4",
        "8.2.4",
        "8.3.2",
        "8.3.3",
        "8.4.2",
        "10.2.3",
        "10.3.5",
        "10.4.12",
        "10.4.13",
        "10.4.14",
        "10.4.15",
        "10.4.16",
        "11.1.3",
        "11.1.4",
        "11.2.4",
        "11.2.5",
        "11.3.4",
        "11.3.5",
        "11.5.2",
        "11.6.2",
        "11.7.1",
        "11.7.2",
        "12.1.4",
        "12.1.5",
        "12.3.5",
        "13.1.2",
        "13.1.3",
        "13.1.4",
        "13.2.6",
        "13.3.3",
        "13.3.4",
        "13.4.6",
        "13.4.7",
        "14.2.5",
        "14.2.6",
        "14.2.7",
        "14.2.8",
        "15.1.4",
        "15.1.5",
        "15.2.4",
        "15.2.5",
        "15.4.1",
        "15.4.2",
        "15.4.3",
        "15.4.4",
        "16.5.4",
        "17.1.2",
        "17.2.5",
        "17.2.6",
        "17.2.7",
        "17.2.8",
    ]
)
LAST = {
    1: (2, 10, 12, 3, 3), 2: (3, 3, 5, 2), 3: (1, 3, 5, 8, 8, 1, 5), 4: (5, 5, 2, 4),
    5: (1, 6, 3, 3),
    6: (3, 12, 8, 6, 8, 4, 2, 4), 7: (3, 4, 2, 5, 3, 2), 8: (4, 4, 3, 2), 9: (3, 4),
    10: (2, 3, 5, 16, 5, 2, 3), 11: (4, 5, 5, 4, 2, 2, 2), 12: (5, 2, 5), 13: (4, 6, 4, 7), 14: (2, 8, 3),
    15: (5, 5, 7, 4), 16: (1, 5, 4, 3, 4), 17: (2, 8, 2),
}  # fmt: skip


def _answered() -> list[str]:
    rows = re.findall(r"^\| ([\d., ]+) \|", PAGE, re.MULTILINE)
    return [found for row in rows for found in re.findall(r"\d+\.\d+\.\d+", row)]


def test_every_requirement_of_levels_1_and_2_is_answered_once() -> None:
    asked = {
        f"{chapter}.{section}.{number}"
        for chapter, sections in LAST.items()
        for section, last in enumerate(sections, 1)
        for number in range(1, last + 1)
    } - OF_LEVEL_3

    answered = _answered()

    assert sorted(found for found in answered if answered.count(found) > 1) == []
    assert set(answered) - asked == set()
    assert asked - set(answered) == set()


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(\w[\w/]*/test_\w+\.py)::(test_\w+)`", PAGE))

    missing = {
        f"{file}::{test}"
        for file, test in named
        if not (TESTS / file).exists()
        or not re.search(rf"^(async )?def {test}\(", (TESTS / file).read_text(), re.MULTILINE)
    }

    assert len(named) > 80
    assert missing == set()
