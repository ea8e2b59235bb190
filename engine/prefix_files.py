"""Kept states on disk: one file each, which survives the engine.

A file is written by a thread of its own, beside its place, and renamed when it is whole. Nobody waits for the disk: a
file that is not as it was written is found out by its checksum, deleted and made again. What the folder holds in all is
bounded; the least recently used files go first. Several engines may share it. States hold what the creator wrote: the
folder and its files are the owner's alone.
"""

from __future__ import annotations

import logging
import os
import queue
import struct
import tempfile
import threading
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

SUFFIX: Final = ".prefix"
PARTIAL: Final = ".partial"
_MAGIC: Final = b"qrprefix"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sII32sQI4x")  # magic, version, tokens, key, bytes after the header, their CRC-32
_CHUNK: Final = 4 << 20  # bytes read and summed at a time, while they are in the processor's cache
_WAITING: Final = 4  # files to be written; each holds its state's memory until then
_ABANDONED: Final = 3600  # seconds after which nobody goes on writing a file
_STOPPED: Final = 5  # seconds that the end of the engine waits for what is still to be written


@dataclass(frozen=True, slots=True)
class FileCounts:
    """What is on disk, and what became of files since the start."""

    files: int = 0
    bytes: int = 0
    damaged: int = 0
    skipped: int = 0  # not written, because the disk was too slow or refused


class PrefixFiles:
    """The files of a folder, `limit` bytes in all. Nothing here raises: without a disk there is memory."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._lock = threading.Lock()  # of the counts and of what waits
        self._counts = FileCounts()
        self._waiting: set[bytes] = set()
        self._refused = False
        self._queue: queue.Queue[tuple[bytes, int, Sequence[NDArray[Any]]] | None] = queue.Queue(_WAITING)
        self._writer = threading.Thread(target=self._write_all, name="prefix files", daemon=True)
        self._writer.start()

    @property
    def counts(self) -> FileCounts:
        with self._lock:
            return self._counts

    def has(self, key: bytes) -> bool:
        """Whether there is such a file, or will be soon."""
        with self._lock:
            if key in self._waiting:
                return True
        return os.path.exists(self._path(key))  # Path.exists raises where the folder is closed to us

    def touch(self, key: bytes) -> None:
        """Say that the state in this file was used now, though from memory."""
        with suppress(OSError):
            os.utime(self._path(key))

    def save(self, key: bytes, tokens: int, parts: Sequence[NDArray[Any]]) -> None:
        """Write a state of `tokens` tokens soon. Its parts must not change any more."""
        with self._lock:
            if self._refused or key in self._waiting:
                return
            try:
                self._queue.put_nowait((key, tokens, parts))
                self._waiting.add(key)
            except queue.Full:
                self._counts = replace(self._counts, skipped=self._counts.skipped + 1)

    def load(self, key: bytes, tokens: int, size: int) -> NDArray[np.uint8] | None:
        """The parts of a state of `tokens` tokens, `size` bytes; None where there is no sound file."""
        path = self._path(key)
        try:
            with path.open("rb", buffering=0) as file:
                header = file.read(_HEADER.size)
                if os.fstat(file.fileno()).st_size != _HEADER.size + size:
                    raise ValueError("it has another size than it should")
                memory = np.empty(size, np.uint8)
                if header != _header(tokens, key, size, _read(file, memory)):
                    raise ValueError("its checksum is wrong")
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return None
        except (OSError, ValueError, MemoryError) as error:
            self._discard(path, error)
            return None
        return memory

    def _discard(self, path: Path, reason: Exception) -> None:
        logger.warning("A kept prompt on disk is damaged (%s): it was deleted, and the text is read again.", reason)
        with suppress(OSError):
            path.unlink(missing_ok=True)
        with self._lock:
            self._counts = replace(self._counts, damaged=self._counts.damaged + 1)

    def close(self) -> None:
        """Wait a moment for what is still to be written."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=_STOPPED)
            self._writer.join(_STOPPED)

    def _path(self, key: bytes) -> Path:
        return self._folder / (key.hex() + SUFFIX)

    def _write_all(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            self._make_room(0)
        except OSError as error:
            self._refuse(error)
        while (task := self._queue.get()) is not None:
            key, tokens, parts = task
            try:
                if not self._refused:
                    self._write(key, tokens, parts)
            except OSError as error:
                self._refuse(error)
            finally:
                del task, parts  # the memory of a state
                with self._lock:
                    self._waiting.discard(key)

    def _refuse(self, error: OSError) -> None:
        logger.warning(
            "Prompts cannot be kept in %s (%s): from now on they are kept in memory only.",
            self._folder,
            error.strerror or error,
        )
        with self._lock:
            self._refused = True

    def _write(self, key: bytes, tokens: int, parts: Sequence[NDArray[Any]]) -> None:
        size = sum(part.nbytes for part in parts)
        if not self._make_room(_HEADER.size + size):
            return
        descriptor, name = tempfile.mkstemp(PARTIAL, dir=self._folder)  # mode 0600
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                checksum = 0
                file.write(bytes(_HEADER.size))
                for part in parts:
                    checksum = _write_part(file, part, checksum)
                file.seek(0)
                file.write(_header(tokens, key, size, checksum))
            partial.replace(self._path(key))
        except BaseException:
            with suppress(OSError):
                partial.unlink()
            raise
        self._count(1, _HEADER.size + size)

    def _make_room(self, size: int) -> bool:
        """Delete the least recently used files until so many bytes more are within the limit, if they can be."""
        found = []
        for entry in os.scandir(self._folder):
            with suppress(FileNotFoundError):
                status = entry.stat()
                if entry.name.endswith(PARTIAL) and status.st_mtime < time.time() - _ABANDONED:
                    Path(entry).unlink()  # its writer was killed
                elif entry.name.endswith((SUFFIX, PARTIAL)):
                    found.append((status.st_mtime, status.st_size, entry.path))
        found.sort(reverse=True)
        total = sum(bytes_ for _, bytes_, _ in found)
        while found and total + size > self._limit >= size:
            _, freed, path = found.pop()
            with suppress(FileNotFoundError):
                Path(path).unlink()
            total -= freed
        with self._lock:
            files = sum(path.endswith(SUFFIX) for *_, path in found)
            self._counts = replace(self._counts, files=files, bytes=total)
        return total + size <= self._limit

    def _count(self, files: int, size: int) -> None:
        with self._lock:
            self._counts = replace(self._counts, files=self._counts.files + files, bytes=self._counts.bytes + size)


def _header(tokens: int, key: bytes, size: int, checksum: int) -> bytes:
    return _HEADER.pack(_MAGIC, _VERSION, tokens, key, size, checksum)


def _read(file: Any, memory: NDArray[np.uint8]) -> int:
    """Fill `memory`; the CRC-32 of what was read. Raises ValueError where the file is shorter."""
    checksum = 0
    for start in range(0, len(memory), _CHUNK):
        piece = memory.data[start : start + _CHUNK]
        if file.readinto(piece) != len(piece):
            raise ValueError("it is shorter than it says")
        checksum = zlib.crc32(piece, checksum)
    return checksum


def _write_part(file: Any, part: NDArray[Any], checksum: int) -> int:
    """Write an array; the CRC-32 of all so far."""
    memory = part.reshape(-1).view(np.uint8).data
    while memory:
        piece = memory[:_CHUNK]
        checksum = zlib.crc32(piece, checksum)
        while piece:
            piece = piece[file.write(piece) :]
        memory = memory[_CHUNK:]
    return checksum
