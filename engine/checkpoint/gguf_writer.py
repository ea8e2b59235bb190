"""Writes a GGUF file (version 3) tensor by tensor; it stands under its name when it is whole, or not at all.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The third-party `gguf` package could do it, but would
bring an HTTP client and a YAML parser into every installation for what fits here.
"""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from engine.checkpoint.dequantize import FORMATS
from engine.checkpoint.gguf import MAGIC
from engine.errors import OutputError

ALIGNMENT: Final = 32
VERSION: Final = 3

# A number's width is a part of a key's meaning: readers refuse another. Plain Python numbers are therefore none.
Value = str | bool | np.uint32 | np.float32 | Sequence[str] | NDArray[np.int32]

_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY = 4, 5, 6, 7, 8, 9


@dataclass(frozen=True, slots=True)
class TensorSource:
    """A tensor to write: `shape` is outermost first, `pieces` gives its stored bytes in order when it is its turn."""

    name: str
    shape: tuple[int, ...]
    type_id: int
    pieces: Callable[[], Iterable[NDArray[np.uint8]]]

    @property
    def size(self) -> int:
        layout = FORMATS[self.type_id]
        return prod(self.shape) // layout.values * layout.bytes


def encoded_keys(metadata: Mapping[str, Value]) -> list[bytes]:
    """Keys and values as they stand in a file."""
    return [_string(key) + _value(value) for key, value in metadata.items()]


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Value) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _string(value)
    if isinstance(value, bool):
        return struct.pack("<IB", _BOOL, value)
    if isinstance(value, np.uint32):
        return struct.pack("<II", _UINT32, value)
    if isinstance(value, np.float32):
        return struct.pack("<If", _FLOAT32, value)
    if isinstance(value, np.ndarray):
        return struct.pack("<IIQ", _ARRAY, _INT32, len(value)) + value.astype("<i4").tobytes()
    return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(map(_string, value))


def write_gguf(path: Path, keys: Sequence[bytes], tensors: Sequence[TensorSource]) -> int:
    """Write a file of these keys and tensors; its size in bytes. Peak memory is that of a tensor's pieces.

    Raises OutputError where something of that name exists, or the disk does not take it; nothing is left behind then,
    nor when a tensor's pieces raise.
    """
    header = _header(keys, tensors)
    size = len(header) + sum(_aligned(tensor.size) for tensor in tensors)
    _check_room(path, size)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            file.write(header)
            for tensor in tensors:
                _write_tensor(file, tensor)
            file.flush()
            os.fsync(file.fileno())
        _check_free(path)
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}); nothing of it was kept.") from error
    finally:
        part.unlink(missing_ok=True)
    return size


def _check_free(path: Path) -> None:
    if path.exists():
        raise OutputError(f"{path} exists and was left as it is; choose another name or move it away.")


def _check_room(path: Path, size: int) -> None:
    _check_free(path)
    try:
        free = shutil.disk_usage(path.absolute().parent).free
    except OSError as error:
        raise OutputError(f"The folder of {path} cannot be used ({error.strerror}).") from error
    if free < size:
        raise OutputError(
            f"{path} needs {size / 1e6:,.0f} MB and {free / 1e6:,.0f} MB of the disk are free; nothing was written."
        )


def _header(keys: Sequence[bytes], tensors: Sequence[TensorSource]) -> bytes:
    """All that stands before the first tensor's bytes."""
    parts = [MAGIC, struct.pack("<IQQ", VERSION, len(tensors), len(keys)), *keys]
    offset = 0
    for tensor in tensors:
        extents = tensor.shape[::-1]
        parts += [_string(tensor.name), struct.pack(f"<I{len(extents)}Q", len(extents), *extents)]
        parts.append(struct.pack("<IQ", tensor.type_id, offset))
        offset += _aligned(tensor.size)
    header = b"".join(parts)
    return header.ljust(_aligned(len(header)), b"\0")


def _write_tensor(file: BinaryIO, tensor: TensorSource) -> None:
    written = sum(file.write(np.ascontiguousarray(piece).data) for piece in tensor.pieces())
    if written != tensor.size:
        raise ValueError(f"{written} bytes of tensor {tensor.name} were given, not {tensor.size}")
    file.write(bytes(_aligned(written) - written))


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
