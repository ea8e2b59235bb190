"""The media store: files are copied in when attached, and looked at again before they are published."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from app.core.clock import Clock
from app.core.errors import KnownError
from app.core.folder import DataFolder
from app.media.images import BadImage, probe_image
from app.media.kinds import ACCEPTED, HEAD, FileType, recognise
from app.store.database import Store
from publishers.api import MediaFacts, MediaKind

COPIED_UP_TO = 256 * 2**20  # bytes; larger files are referenced where they are
MAX_IMAGE = 100 * 2**20  # bytes
MAX_FILE = 64 * 2**30  # bytes
_BLOCK = 2**20
_UNFINISHED = ".attaching-"
_STALE = 86_400.0  # seconds after which an unfinished copy is of a process that died
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class MediaStore:
    """Files of one data folder. Everything here reads whole files: call it off the window's thread."""

    def __init__(self, store: Store, folder: DataFolder, clock: Clock) -> None:
        self._store = store
        self._folder = folder.media
        self._clock = clock

    def attach(self, path: Path) -> MediaFacts:
        """Take a file in: up to 256 MB as a copy below media/, named by its sha256; larger ones by reference.

        Raises KnownError saying what the file is and what is accepted, or what else is in the way."""
        path = path.expanduser().absolute()
        with _open_regular(path) as (file, size):
            found = recognise(file.read(HEAD))
            if isinstance(found, str):
                raise KnownError(
                    f"{path.name} is {found}: it was not attached; accepted are {ACCEPTED}. Convert it and try again."
                )
            _check_size(path, size, found)
            file.seek(0)
            if size > COPIED_UP_TO:
                facts = MediaFacts(path, _hash(file, path, size), size, found.mime, found.kind)
            else:
                facts = self._copy(file, path, size, found)
        self._store.write(lambda unit: unit.media.save(facts)).result()
        return facts

    def check(self, facts: MediaFacts) -> None:
        """Prove before publishing that the file is still the one that was attached. Raises KnownError."""
        try:
            with _open_regular(facts.path) as (file, size):
                copied = facts.path.is_relative_to(self._folder)
                same = size == facts.size and (copied or _hash(file, facts.path, size) == facts.sha256)
        except KnownError as error:
            raise KnownError(f"{error.message} It was attached to the post: put it back, or attach it anew.") from error
        if not same:
            raise KnownError(
                f"{facts.path.name} has changed since it was attached: nothing was sent; attach it again to use it as "
                "it is now."
            )

    def _copy(self, file: BinaryIO, path: Path, size: int, found: FileType) -> MediaFacts:
        """Copy, then look at the copy, which nobody else changes; it is named and seen only when it is whole."""
        self._remove_stale()
        with _no_room(path):
            descriptor, name = tempfile.mkstemp(dir=self._folder, prefix=_UNFINISHED)
            unfinished = Path(name)
            try:
                with os.fdopen(descriptor, "wb") as copy:
                    sha256 = _hash(file, path, size, copy)
                    copy.flush()
                    os.fsync(copy.fileno())
                width, height, kind = _pixels(unfinished, path, found)
                home = self._folder / sha256[:2] / f"{sha256}.{found.ending}"
                home.parent.mkdir(exist_ok=True)
                unfinished.replace(home)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
        return MediaFacts(home, sha256, size, found.mime, kind, width, height)

    def _remove_stale(self) -> None:
        """Delete what processes that were killed in the middle of a copy left."""
        for left in self._folder.glob(f"{_UNFINISHED}*"):
            try:
                if left.stat().st_mtime < self._clock().timestamp() - _STALE:
                    left.unlink()
            except OSError:
                continue  # another process was faster


def _pixels(copy: Path, path: Path, found: FileType) -> tuple[int | None, int | None, MediaKind]:
    if found.kind not in {MediaKind.IMAGE, MediaKind.GIF}:
        return None, None, found.kind
    try:
        image = probe_image(copy, found)
    except BadImage as error:
        raise KnownError(
            f"{path.name} cannot be used because {error}: it was not attached; save it anew or choose another."
        ) from error
    return image.width, image.height, image.kind


def _check_size(path: Path, size: int, found: FileType) -> None:
    most = MAX_IMAGE if found.kind in {MediaKind.IMAGE, MediaKind.GIF} else MAX_FILE
    if size > most:
        raise KnownError(
            f"{path.name} has {size / 2**20:,.0f} MB: it was not attached; at most {most / 2**20:,.0f} MB are accepted."
        )


def _hash(file: BinaryIO, path: Path, size: int, copy: BinaryIO | None = None) -> str:
    """sha256 of `size` bytes, copied along the way. Raises KnownError where the file is not that long any more."""
    digest, left = hashlib.sha256(), size + 1  # one byte more than expected is proof that it grew
    while left:
        try:
            block = file.read(min(_BLOCK, left))
        except OSError as error:
            raise KnownError(f"{path.name} cannot be read ({error.strerror}): it was not attached.") from error
        if not block:
            break
        digest.update(block)
        left -= len(block)
        if copy is not None:
            copy.write(block)
    if left != 1:
        raise KnownError(f"{path.name} is being changed by another program: wait until it is done, then try again.")
    return digest.hexdigest()


@contextmanager
def _open_regular(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The file and its size in bytes. Raises KnownError for what is no regular file, a link included: what a link
    leads to can be swapped between looking and reading."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if path.is_symlink():
            raise KnownError(f"{path.name} is a link: attach the file it leads to.")
        descriptor = os.open(path, flags)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise KnownError(f"{path.name} cannot be opened ({reason}): check that it is where it was.") from error
    try:
        about = os.fstat(descriptor)
        if problem := _unusable(path, about):
            raise KnownError(problem)
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        yield file, about.st_size


def _unusable(path: Path, about: os.stat_result) -> str:
    if stat.S_ISDIR(about.st_mode):
        return f"{path.name} is a folder: attach the files in it."
    if not stat.S_ISREG(about.st_mode):
        return f"{path.name} is a device or a pipe: attach a file."
    return "" if about.st_size else f"{path.name} is empty: choose another file."


@contextmanager
def _no_room(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = "there is no room on the disk" if error.errno in _NO_ROOM else error.strerror
        raise KnownError(
            f"{path.name} could not be copied into the data folder ({reason}): nothing was attached and nothing was "
            "lost; put that right and try again."
        ) from error
