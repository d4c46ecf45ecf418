from typing import Annotated

from msgspec import Meta

from polyagent.adapters.functions.arithmetic import shown
from polyagent.adapters.functions.expression import evaluate
from polyagent.adapters.functions.function import Arguments, Function
from polyagent.domain.tool import CallContext

DESCRIPTION = (
    "Computes an arithmetic expression exactly. Operators: + - * / // % ** and parentheses. "
    "Functions: sqrt abs round(x, digits) min max floor ceil ln log(x, base; 10 if left out) exp, "
    "sin cos tan of radians. Constants: pi e. "
    "A result that is too long for a JSON number is a string of its digits."
)


class Calculation(Arguments, frozen=True):
    expression: Annotated[
        str, Meta(min_length=1, max_length=1000, description="For example (0.1 + 0.2) * 3 ** 20")
    ]


async def calculate(arguments: Calculation, _: CallContext) -> int | float | str:
    return shown(evaluate(arguments.expression))


calculator = Function(
    name="calculator",
    description=DESCRIPTION,
    arguments=Calculation,
    call=calculate,
    effect="read",
    category="math",
    source="builtin",
)
