"""A file of tensors, mapped into memory: nothing of it is copied before it is needed."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelFileError

MAX_TENSORS: Final = 65_536
MAX_NAME_BYTES: Final = 128
MAX_DIMENSIONS: Final = 4


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """Where one tensor lies. `shape` is outermost first; `type_id` is ggml's (engine.checkpoint.dequantize)."""

    name: str
    shape: tuple[int, ...]
    type_id: int
    offset: int  # from the start of the file
    size: int  # bytes


class MappedFile:
    """The bytes of a file, read-only. Raises ModelFileError where it cannot be opened."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self.bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
            raise ModelFileError(f"The model file {path.name} cannot be opened ({error}).") from error

    def view(self, offset: int, size: int) -> NDArray[np.uint8]:
        """A part of the file, without a copy; it stays readable after close."""
        return np.frombuffer(self.bytes, np.uint8, size, offset)

    def release(self, offset: int, size: int) -> None:
        """Give whole pages of this part back to the system; they are read from the disk again if touched."""
        if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows, where unused pages of a mapping leave by themselves
            start = -(-offset // mmap.PAGESIZE) * mmap.PAGESIZE
            end = (offset + size) // mmap.PAGESIZE * mmap.PAGESIZE
            if start < end:
                self.bytes.madvise(mmap.MADV_DONTNEED, start, end - start)

    def close(self) -> None:
        """Give up the mapping; where a view is still in use, the last one does."""
        try:
            self.bytes.close()
        except BufferError:  # "cannot close exported pointers exist"
            del self.bytes
