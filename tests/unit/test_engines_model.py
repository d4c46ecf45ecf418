import struct
from pathlib import Path

import pytest

from polyagent.adapters.engines.errors import EngineError
from polyagent.adapters.engines.gguf import Shape, read_shape
from polyagent.adapters.engines.model import share_out

GIB = 2**30


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def entry(key: str, value: int | str | list[int] | list[str]) -> bytes:
    if isinstance(value, int):
        return text(key) + struct.pack("<II", 4, value)
    if isinstance(value, str):
        return text(key) + struct.pack("<I", 8) + text(value)
    if value and isinstance(value[0], str):
        words = b"".join(text(str(word)) for word in value)
        return text(key) + struct.pack("<IIQ", 9, 8, len(value)) + words
    return text(key) + struct.pack(f"<IIQ{len(value)}I", 9, 4, len(value), *value)


def model(path: Path, **changes: int | list[int]) -> Path:
    """Write the head of a model: 4 layers, 8 heads of 64 numbers, 2 of them for keys and values."""
    entries = {
        "general.architecture": "llama",
        "tokenizer.ggml.tokens": ["a", "b"],
        "llama.context_length": 4096,
        "llama.block_count": 4,
        "llama.embedding_length": 512,
        "llama.attention.head_count": 8,
        "llama.attention.head_count_kv": 2,
        **{f"llama.{key}": value for key, value in changes.items()},
    }
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries))
    path.write_bytes(head + b"".join(entry(key, value) for key, value in entries.items()))
    return path


def test_the_shape_is_what_the_file_says(tmp_path: Path) -> None:
    shape = read_shape(model(tmp_path / "own.gguf"))

    assert shape == Shape(context_tokens=4096, bytes_per_token=4 * 2 * (64 + 64) * 2)


def test_of_heads_per_layer_the_most_count(tmp_path: Path) -> None:
    file = model(tmp_path / "own.gguf", **{"attention.head_count_kv": [2, 4, 2, 2]})

    assert read_shape(file).bytes_per_token == 4 * 4 * (64 + 64) * 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GGUF",
        b"%PDF-1.7 and more",
        b"GGUF" + struct.pack("<IQQ", 3, 0, 0),
        b"GGUF" + b"\xff" * 64,
    ],
)
def test_what_is_no_model_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "own.gguf"
    file.write_bytes(content)

    with pytest.raises(EngineError, match=r"own\.gguf is not a language model"):
        read_shape(file)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"nowhere\.gguf: No such file"):
        read_shape(tmp_path / "nowhere.gguf")


@pytest.mark.parametrize(
    ("budget_bytes", "tokens", "slots"),
    [(8 * GIB, 32_768, 4), (GIB // 2, 16_384, 2), (GIB // 8, 4096, 1), (0, 2048, 1)],
)
def test_the_context_is_what_memory_allows(budget_bytes: int, tokens: int, slots: int) -> None:
    shape = Shape(context_tokens=8192, bytes_per_token=2**15)

    assert share_out(shape, budget_bytes) == (tokens, slots)
