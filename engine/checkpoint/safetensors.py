"""A bounded safetensors reader: the header is walked entry by entry in the mapped file, and every number is checked.

Format: https://github.com/huggingface/safetensors#format. Eight bytes of header length, a JSON object of
name -> dtype, shape, data_offsets, then the tensors back to back. As in the reference reader, the offsets must cover
what follows the header exactly: no hole, no overlap, nothing left.
"""

from __future__ import annotations

import json
import re
from math import prod
from pathlib import Path
from typing import Any, Final, TypeGuard

from engine.checkpoint.dequantize import BF16, F16, F32, FORMATS
from engine.checkpoint.mapped import MAX_DIMENSIONS, MAX_NAME_BYTES, MAX_TENSORS, MappedFile, TensorEntry
from engine.errors import ModelFileError, damaged, unsupported

MAX_HEADER_BYTES: Final = 100_000_000  # the reference reader's limit
MAX_ENTRY_BYTES: Final = 1024

_TYPE_IDS: Final = {"F32": F32, "F16": F16, "BF16": BF16}
# One string and one flat object. Possessive, so that no text makes it try twice; the metadata may hold braces in
# strings, and is skipped without being parsed.
_NAME: Final = re.compile(rb'\s*+("(?:[^"\\]++|\\.)*+")\s*+:\s*+', re.DOTALL)
_OBJECT: Final = re.compile(rb'\{(?:[^{}"]++|"(?:[^"\\]++|\\.)*+")*+\}\s*+', re.DOTALL)
_BLANK: Final = re.compile(rb"\s*+")


class SafetensorsFile:
    """An open safetensors file: `tensors` by name. Raises ModelFileError for anything else than a whole one."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.file = MappedFile(path)
        self.tensors: dict[str, TensorEntry] = {}
        try:
            self._read()
        except ModelFileError:
            self.close()
            raise

    def close(self) -> None:
        self.file.close()

    def _read(self) -> None:
        data = self.file.bytes
        length = int.from_bytes(data[:8], "little")
        if len(data) < 8 or length > min(MAX_HEADER_BYTES, len(data) - 8):
            raise damaged(f"the header of {self.name} is longer than the file or the limit")
        start = 8 + length
        if data[8:9] != b"{":
            raise damaged(f"the header of {self.name} is not a JSON object")
        at = 9
        while True:
            blank = _BLANK.match(data, at, start)
            at = blank.end() if blank else at
            if data[at : at + 1] == b"}" and not self.tensors:
                break
            at = self._entry(at, start)
            if data[at : at + 1] != b",":
                break
            at += 1
        if at >= start or data[at : at + 1] != b"}" or data[at + 1 : start].strip(b" "):
            raise damaged(f"the header of {self.name} does not end as JSON does")
        self._check_spans(len(data))

    def _entry(self, at: int, start: int) -> int:
        """Read one `"name": {...}`; the place behind it."""
        data = self.file.bytes
        key = _NAME.match(data, at, start)
        value = _OBJECT.match(data, key.end(), start) if key else None
        if key is None or value is None:
            raise damaged(f"the header of {self.name} is not JSON of this format")
        if key[1] == b'"__metadata__"':
            return value.end()
        if len(key[1]) > MAX_NAME_BYTES or value.end() - value.start() > MAX_ENTRY_BYTES:
            raise damaged(f"the header of {self.name} holds an entry longer than any known one")
        name, fields = self._json(key[1]), self._json(value[0])
        if name in self.tensors:
            raise damaged(f"tensor {name} stands twice in {self.name}")
        if len(self.tensors) >= MAX_TENSORS:
            raise damaged(f"{self.name} holds more than {MAX_TENSORS} tensors")
        self.tensors[name] = self._tensor(name, fields, start)
        return value.end()

    def _json(self, text: bytes) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:  # ValueError: not JSON, not UTF-8, or a number without end
            raise damaged(f"the header of {self.name} is not JSON of this format") from error

    def _tensor(self, name: str, fields: dict[str, Any], start: int) -> TensorEntry:
        shape, offsets, dtype = fields.get("shape"), fields.get("data_offsets"), fields.get("dtype")
        if not _whole_numbers(shape) or not 1 <= len(shape) <= MAX_DIMENSIONS or min(shape) < 1:
            raise damaged(f"the shape of tensor {name} is not that of a tensor")
        if not _whole_numbers(offsets) or len(offsets) != 2:
            raise damaged(f"the data_offsets of tensor {name} are not two whole numbers")
        if not isinstance(dtype, str) or dtype not in _TYPE_IDS:
            readable = ", ".join(_TYPE_IDS)
            raise unsupported(f"tensor {name} is stored as {str(dtype)[:40]}, and {readable} are read")
        size = prod(shape) * FORMATS[_TYPE_IDS[dtype]].bytes
        if offsets[1] - offsets[0] != size:
            raise damaged(f"the data_offsets of tensor {name} do not span its {size} bytes")
        return TensorEntry(name, tuple(shape), _TYPE_IDS[dtype], start + offsets[0], size)

    def _check_spans(self, size: int) -> None:
        at = 8 + int.from_bytes(self.file.bytes[:8], "little")
        for entry in sorted(self.tensors.values(), key=lambda entry: entry.offset):
            if entry.offset != at:
                raise damaged(f"tensor {entry.name} does not begin where the one before it ends")
            at += entry.size
        if at != size:
            raise damaged(f"the tensors of {self.name} end at byte {at} of {size}")


def _whole_numbers(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(entry) is int and entry >= 0 for entry in value)
