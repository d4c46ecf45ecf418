from polyagent.domain.documents.fusion import fused
from polyagent.domain.documents.retrieval import Passage
from polyagent.domain.ids import new_id

ONE, TWO, THREE, FOUR = (
    Passage(
        document_id=new_id(),
        filename="a",
        chunk_id=new_id(),
        text=text,
        start=0,
        end=1,
        score=100.0,
    )
    for text in ("one", "two", "three", "four")
)


def _texts(*rankings: list[Passage]) -> list[str]:
    return [passage.text for passage in fused(*rankings)]


def test_what_both_rankings_have_comes_first() -> None:
    assert _texts([ONE, TWO], [TWO, THREE]) == ["two", "one", "three"]


def test_of_equals_the_first_ranking_has_its_way() -> None:
    assert _texts([ONE, THREE], [TWO, FOUR]) == ["one", "two", "three", "four"]
    assert _texts([TWO, FOUR], [ONE, THREE]) == ["two", "one", "four", "three"]


def test_the_score_is_that_of_the_ranks() -> None:
    first, second = fused([ONE, TWO], [ONE])

    assert first.score == 2 / 61
    assert second.score == 1 / 62


def test_one_ranking_may_be_empty() -> None:
    assert _texts([], [ONE, TWO]) == _texts([ONE, TWO], []) == ["one", "two"]
    assert _texts([], []) == []
