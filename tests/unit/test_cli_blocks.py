import pytest

from polyagent.adapters.cli.chat.blocks import whole_blocks


@pytest.mark.parametrize(
    ("text", "whole", "rest"),
    [
        ("", "", ""),
        ("one", "", "one"),
        ("one\n\n", "", "one\n\n"),
        ("one\n\ntwo", "one\n\n", "two"),
        ("one\n\n\ntwo\n\nthree", "one\n\n\ntwo\n\n", "three"),
        ("- a\n\n  more of a", "", "- a\n\n  more of a"),
        ("```py\na\n\nb", "", "```py\na\n\nb"),
        ("```py\na\n\nb\n```\n\nc", "```py\na\n\nb\n```\n\n", "c"),
        ("```md\n~~~\n\nb", "", "```md\n~~~\n\nb"),
        ("````md\n```\n\nb", "", "````md\n```\n\nb"),
    ],
)
def test_a_block_is_whole_when_another_has_begun(text: str, whole: str, rest: str) -> None:
    assert whole_blocks(text) == (whole, rest)


def test_however_it_grows_nothing_is_lost_or_changed() -> None:
    text = "# T\n\none\n\n- a\n\n  b\n\n```\nx\n\ny\n```\n\nend"

    settled, rest = "", ""
    for letter in text:
        whole, rest = whole_blocks(rest + letter)
        settled += whole

    assert settled + rest == text
    assert rest == "end"
