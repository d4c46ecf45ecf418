"""How much memory a model of one's own needs per token, read from its file.

https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from polyagent.adapters.engines.errors import EngineError

MAGIC = b"GGUF"
STRING, ARRAY = 8, 9
SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
LONGEST_BYTES = 1 << 26
CACHE_BYTES = 2  # one number of the key-value cache: half precision

Value = str | float | list[float] | None


class Shape(msgspec.Struct, frozen=True):
    context_tokens: int
    bytes_per_token: int


def read_shape(path: Path) -> Shape:
    """Raises `EngineError` if the file is no model that llama.cpp could load."""
    try:
        with path.open("rb") as file:
            return _shape(dict(_entries(file)))
    except OSError as error:
        raise EngineError(f"cannot read the model {path}: {error.strerror}") from error
    except (struct.error, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise EngineError(f"{path} is not a language model in the GGUF format") from error


def _shape(entries: dict[str, Value]) -> Shape:
    family = entries["general.architecture"]
    heads = _largest(entries[f"{family}.attention.head_count"])
    kv_heads = _largest(entries.get(f"{family}.attention.head_count_kv") or heads)
    head_width = _largest(entries[f"{family}.embedding_length"]) // heads
    key_width = _largest(entries.get(f"{family}.attention.key_length") or head_width)
    value_width = _largest(entries.get(f"{family}.attention.value_length") or head_width)
    layers = _largest(entries[f"{family}.block_count"])
    return Shape(
        context_tokens=_largest(entries[f"{family}.context_length"]),
        bytes_per_token=layers * kv_heads * (key_width + value_width) * CACHE_BYTES,
    )


def _largest(value: Value) -> int:
    """Return a count; some files give one per layer."""
    if value is None or isinstance(value, str):
        raise TypeError(value)
    return int(max(value)) if isinstance(value, list) else int(value)


def _entries(file: BinaryIO) -> Iterator[tuple[str, Value]]:
    if file.read(4) != MAGIC:
        raise ValueError(MAGIC)
    _, _, count = _unpack(file, "IQQ")
    for _ in range(count):
        key = _string(file)
        (kind,) = _unpack(file, "I")
        yield key, _value(file, kind)


def _value(file: BinaryIO, kind: int) -> Value:
    if kind == STRING:
        return _string(file)
    if kind != ARRAY:
        (number,) = _unpack(file, SCALARS[kind])
        return float(number)
    inner, length = _unpack(file, "IQ")
    if inner in SCALARS:
        return [float(number) for number in _unpack(file, f"{length}{SCALARS[inner]}")]
    for _ in range(length):  # a vocabulary: of no interest
        _value(file, inner)
    return None


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "Q")
    return _exactly(file, length).decode()


def _unpack(file: BinaryIO, layout: str) -> tuple[int, ...]:
    packed = struct.Struct(f"<{layout}")
    return packed.unpack(_exactly(file, packed.size))


def _exactly(file: BinaryIO, size: int) -> bytes:
    if size > LONGEST_BYTES:
        raise ValueError(size)
    return file.read(size)
