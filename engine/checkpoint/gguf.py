"""A bounded GGUF reader: the file is mapped, never copied, and every length is checked against its size first.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3, little-endian).
The header is parsed in Python on purpose: the published flaws of C readers of this format are all lengths that
were believed (CVE-2024-23496, CVE-2026-33298 and their kin).
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from engine.checkpoint.dequantize import FORMATS, TYPE_NAMES
from engine.checkpoint.mapped import MAX_DIMENSIONS, MAX_NAME_BYTES, MAX_TENSORS, MappedFile, TensorEntry
from engine.errors import ModelFileError, damaged, unsupported

MAGIC: Final = b"GGUF"
MAX_KEYS: Final = 65_536
MAX_KEY_BYTES: Final = 65_535
MAX_STRING_BYTES: Final = 16 << 20  # a chat template is some kilobytes
MAX_ARRAY: Final = 1 << 21  # the largest vocabularies have about 2**18 entries

_STRING: Final = 8
_ARRAY: Final = 9
_BOOL: Final = 7
# value type id -> (struct code, bytes)
_SCALARS: Final[Mapping[int, tuple[str, int]]] = {
    0: ("B", 1), 1: ("b", 1), 2: ("H", 2), 3: ("h", 2), 4: ("I", 4), 5: ("i", 4), 6: ("f", 4),
    _BOOL: ("B", 1), 10: ("Q", 8), 11: ("q", 8), 12: ("d", 8),
}  # fmt: skip


class _Cursor:
    """Reads little-endian values from the mapped file and refuses to pass its end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.at = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int, what: str) -> bytes:
        if count > self.left:
            raise damaged(f"it ends inside {what}")
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def scalar(self, type_id: int, what: str) -> int | float | bool:
        code, size = _SCALARS[type_id]
        value: int | float = struct.unpack("<" + code, self.take(size, what))[0]
        if type_id == _BOOL:
            if value not in (0, 1):
                raise damaged(f"{what} is neither true nor false")
            return bool(value)
        return value

    def count(self, what: str, limit: int) -> int:
        value = int(self.scalar(10, what))
        if value > limit:
            raise damaged(f"{what} is {value}, over the limit of {limit}")
        return value

    def string(self, what: str, limit: int = MAX_STRING_BYTES) -> str:
        raw = self.take(self.count(f"the length of {what}", limit), what)
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            raise damaged(f"{what} is not UTF-8") from error

    def array(self, key: str) -> list[Any]:
        type_id = int(self.scalar(4, key))
        count = self.count(f"the length of {key}", MAX_ARRAY)
        if type_id == _STRING:
            if count * 8 > self.left:  # each string has at least its length field
                raise damaged(f"it ends inside {key}")
            return [self.string(key) for _ in range(count)]
        if type_id not in _SCALARS:
            raise damaged(f"{key} holds values of unknown type {type_id}")
        code, size = _SCALARS[type_id]
        values: list[Any] = np.frombuffer(self.take(count * size, key), dtype=np.dtype(code).newbyteorder("<")).tolist()
        return [bool(value) for value in values] if type_id == _BOOL else values

    def value(self, key: str) -> Any:
        type_id = int(self.scalar(4, key))
        if type_id == _STRING:
            return self.string(key)
        if type_id == _ARRAY:
            return self.array(key)
        if type_id not in _SCALARS:
            raise damaged(f"{key} has unknown type {type_id}")
        return self.scalar(type_id, key)


class GgufFile:
    """An open GGUF file: `metadata`, `tensors` by name, and `file` with the bytes of each.

    Raises ModelFileError from the constructor for anything that is not a whole, readable GGUF file.
    """

    def __init__(self, path: Path) -> None:
        self.file = MappedFile(path)
        try:
            self.metadata: dict[str, Any] = {}
            self._key_spans: dict[str, tuple[int, int]] = {}
            self.tensors: dict[str, TensorEntry] = {}
            self._read()
        except ModelFileError:
            self.file.close()
            raise

    def close(self) -> None:
        self.file.close()

    def stored_key(self, key: str) -> bytes:
        """A key and its value as they stand in the file, with the types that `metadata` does not tell."""
        first, last = self._key_spans[key]
        return self.file.bytes[first:last]

    def _read(self) -> None:
        cursor = _Cursor(self.file.bytes)
        if cursor.take(4, "its first four bytes") != MAGIC:
            raise damaged("it does not begin with GGUF")
        version = cursor.scalar(4, "its version")
        if version not in (2, 3):
            raise unsupported(f"it is of GGUF version {version}, and versions 2 and 3 are read")
        tensor_count = cursor.count("the number of tensors", MAX_TENSORS)
        key_count = cursor.count("the number of keys", MAX_KEYS)
        for _ in range(key_count):
            begin = cursor.at
            key = cursor.string("a key", MAX_KEY_BYTES)
            if key in self.metadata:
                raise damaged(f"the key {key[:64]} stands twice")
            self.metadata[key] = cursor.value(key[:64])
            self._key_spans[key] = begin, cursor.at
        if self.metadata.get("split.count", 1) not in (0, 1):
            raise unsupported("it is one part of a model that was split into several files")
        headers = [self._tensor_header(cursor) for _ in range(tensor_count)]
        self._place_tensors(headers, cursor.at)

    @staticmethod
    def _tensor_header(cursor: _Cursor) -> TensorEntry:
        name = cursor.string("a tensor's name", MAX_NAME_BYTES)
        what = f"the header of tensor {name}"
        dimensions = int(cursor.scalar(4, what))
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise damaged(f"{what} has {dimensions} dimensions")
        shape = tuple(int(cursor.scalar(10, what)) for _ in range(dimensions))
        type_id = int(cursor.scalar(4, what))
        offset = int(cursor.scalar(10, what))
        if min(shape) < 1:
            raise damaged(f"{what} has an empty dimension")
        if type_id not in FORMATS:
            stored_as = TYPE_NAMES.get(type_id, f"unknown type {type_id}")
            readable = ", ".join(TYPE_NAMES[known] for known in FORMATS)
            raise unsupported(f"tensor {name} is stored as {stored_as}, and {readable} are read")
        block = FORMATS[type_id]
        if shape[0] % block.values:
            raise damaged(f"a row of tensor {name} is not a whole number of blocks")
        size = block.bytes * (shape[0] // block.values)
        for extent in shape[1:]:
            size *= extent  # Python's integers do not overflow
        return TensorEntry(name, shape[::-1], type_id, offset, size)

    def _place_tensors(self, headers: list[TensorEntry], header_end: int) -> None:
        alignment = self.metadata.get("general.alignment", 32)
        if not isinstance(alignment, int) or not 1 <= alignment <= 65_536 or alignment & (alignment - 1):
            raise damaged(f"its alignment {alignment} is not a power of two up to 65536")
        start = -(-header_end // alignment) * alignment
        end_before = start
        for header in sorted(headers, key=lambda header: header.offset):
            offset = start + header.offset
            if header.offset % alignment:
                raise damaged(f"tensor {header.name} is not aligned")
            if offset < end_before:
                raise damaged(f"tensor {header.name} overlaps another")
            if offset + header.size > len(self.file.bytes):
                raise damaged(f"tensor {header.name} reaches past the end of the file")
            end_before = offset + header.size
            if header.name in self.tensors:
                raise damaged(f"tensor {header.name} stands twice")
            self.tensors[header.name] = TensorEntry(header.name, header.shape, header.type_id, offset, header.size)
