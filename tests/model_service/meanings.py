"""Vectors of texts in which words that mean the same are the same: what words alone do not find is near."""

import hashlib
import math
import random
from collections import Counter, deque
from operator import mul
from typing import Any

from polyagent.domain.documents.terms import terms_of
from tests.model_service.reply import Reply

SAME = (
    ("car", "automobile", "vehicle"),
    ("doctor", "physician", "medic"),
    ("quit", "resign", "leave"),
    ("holiday", "vacation", "urlaub"),
    ("happy", "glad", "froh"),
    ("cheap", "inexpensive", "günstig"),
)
MEANING = {term: same[0] for same in SAME for word in same for term in terms_of(word)}


def vector_of(text: str, *, width: int = 32, model: str = "meanings") -> list[float]:
    """Return the sum of a direction for each meaning, by chance but always the same, of length 1."""
    total = [0.0] * width
    for term in terms_of(text) or [text]:
        seed = hashlib.sha256(f"{model} {MEANING.get(term, term)}".encode()).digest()
        chance = random.Random(seed)
        total = [number + chance.gauss(0, 1) for number in total]
    length = math.hypot(*total)
    return [number / length for number in total]


class Meanings:
    """What a scripted model service does with requests for embeddings and for ranks.

    `does` is what the next requests get, in order: a status, or one of the words below; then all is well.
    Texts that are longer than `longest` characters are refused. `texts` counts what was embedded.
    """

    def __init__(
        self, *, width: int = 32, longest: int = 10**9, models: tuple[str, ...] = ()
    ) -> None:
        self.width = width
        self.longest = longest
        self.models = models
        self.does: deque[int | str] = deque()
        self.bodies: list[dict[str, Any]] = []
        self.texts: Counter[str] = Counter()

    async def embed(self, body: dict[str, Any], reply: Reply) -> None:
        self.bodies.append(body)
        does = self.does.popleft() if self.does else 200
        if isinstance(does, int) and does != 200:
            await reply.json(does, {"error": {"message": "It was told to fail."}})
        elif self.models and body["model"] not in self.models:
            told = f"The model `{body['model']}` does not exist."
            await reply.json(404, {"error": {"message": told, "code": "model_not_found"}})
        elif any(len(text) > self.longest for text in body["input"]):
            await reply.json(400, {"error": {"message": "input is too long for the model"}})
        else:
            await self._answer(body, reply, str(does))

    async def _answer(self, body: dict[str, Any], reply: Reply, does: str) -> None:
        width = body.get("dimensions", self.width)
        self.texts.update(body["input"])
        items: list[dict[str, Any]] = [
            {"index": n, "embedding": vector_of(text, width=width, model=body["model"])}
            for n, text in enumerate(body["input"])
        ]
        if does == "html":
            await reply.body(200, "text/html", b"<html>Welcome</html>")
            return
        _spoil(items, does, width)
        await reply.json(200, {"object": "list", "data": items})

    async def rank(self, body: dict[str, Any], reply: Reply) -> None:
        """Those that mean most of what the query does come first."""
        self.bodies.append(body)
        does = self.does.popleft() if self.does else 200
        if isinstance(does, int) and does != 200:
            await reply.json(does, {"detail": "It was told to fail."})
            return
        query = vector_of(body["query"])
        scored = [
            {"index": n, "relevance_score": sum(map(mul, query, vector_of(text)))}
            for n, text in enumerate(body["documents"])
        ]
        scored.sort(key=lambda result: -result["relevance_score"])
        if does == "twice":
            scored = [scored[0], scored[0]]
        if does == "beyond":
            scored[0]["index"] = len(scored)
        await reply.json(200, {"results": scored[: body["top_n"]]})


def _spoil(items: list[dict[str, Any]], does: str, width: int) -> None:
    """Get it wrong as a word of `Meanings.does` says."""
    wrong: dict[str, list[Any]] = {
        "ragged": items[0]["embedding"][1:],
        "empty": [],
        "zeros": [0] * width,
        "huge": [1e308] * width,
        "nan": [math.nan] * width,
        "null": [None] * width,
    }
    items[0]["embedding"] = wrong.get(does, items[0]["embedding"])
    match does:
        case "backwards":
            items.reverse()
        case "unnumbered":
            items[:] = [{"embedding": item["embedding"]} for item in items]
        case "twice":
            items[:] = [items[0] for _ in items]
        case "one less":
            items.pop()
