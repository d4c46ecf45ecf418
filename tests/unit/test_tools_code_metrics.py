import pytest

from polyagent.adapters.functions.isolated.code_metrics import MAX_FUNCTIONS, Metrics, measure
from polyagent.adapters.functions.isolated.requests import Source
from polyagent.domain.errors import ToolFailed


def measured(code: str, language: str | None = None, filename: str | None = None) -> Metrics:
    return measure(Source(code=code, language=language, filename=filename))


def test_a_function_is_measured() -> None:
    code = "# why\ndef f(a, b=1):\n    if a and b:\n        return 1\n\n    return 2\n"

    metrics = measured(code, "Python")

    assert (metrics.language, metrics.nloc, metrics.function_count) == ("python", 4, 1)
    [function] = metrics.functions
    assert (function.name, function.start_line, function.end_line) == ("f", 2, 6)
    assert (function.nloc, function.cyclomatic_complexity) == (4, 3)
    assert function.parameters == ["a", "b"]
    assert metrics.warnings == []


@pytest.mark.parametrize(
    ("language", "filename", "found"),
    [
        ("c++", None, "cpp"),
        (" C# ", None, "csharp"),
        ("ts", None, "typescript"),
        ("py", None, "python"),
        (None, "src/main.go", "go"),
        (None, "A.java", "java"),
        ("rust", "main.go", "rust"),
    ],
)
def test_a_language_has_many_names(language: str | None, filename: str | None, found: str) -> None:
    assert measured("", language, filename).language == found


@pytest.mark.parametrize(
    ("language", "filename"), [(None, None), ("klingon", "a.py"), (None, "README"), (None, "")]
)
def test_an_unknown_language_is_refused_with_those_that_are_known(
    language: str | None, filename: str | None
) -> None:
    with pytest.raises(ToolFailed, match="known are cpp, java, "):
        measured("x", language, filename)


def test_what_is_hard_to_read_is_warned_about() -> None:
    parameters = ", ".join(f"p{n}" for n in range(9))
    body = "".join(f"  if (p0 == {n}) {{ p1 = {n}; }}\n" for n in range(120))

    metrics = measured(f"function f({parameters}) {{\n{body}}}\n", "javascript")

    assert metrics.warnings == [
        "f (line 1): complexity 121, over 15.",
        "f (line 1): 122 lines, over 100.",
        "f (line 1): 9 parameters, over 7.",
    ]


def test_of_too_many_functions_the_most_complex_are_kept() -> None:
    simple = "def f():\n    pass\n" * 300

    metrics = measured(simple + "def g(a):\n    return a and 1\n", "python")

    assert metrics.function_count == 301
    assert len(metrics.functions) == MAX_FUNCTIONS
    assert metrics.functions[-1].name == "g"


@pytest.mark.parametrize("code", ["", "(" * 5_000, "def", "\x00\ufffd", "{" * 5_000, '"""'])
@pytest.mark.parametrize("language", ["python", "c", "js", "rust", "ruby", "tsx", "vue", "sql"])
def test_text_that_is_no_code_is_measured_all_the_same(code: str, language: str) -> None:
    assert measured(code, language).language
