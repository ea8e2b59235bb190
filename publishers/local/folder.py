"""The folder on disk: staging, the one rename that makes a post live, reading back.

posts/<name>/         one live post: index.html, content.json, text.txt, media named by their sha256
posts/.staging-<name> a post being put together
posts/.removed-<name> a post being taken away
index.html, feed.xml  rebuilt from what posts/ holds
.quarry-folder        the feed's lasting id
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from publishers.api import Content, Media, Part
from publishers.content_json import content_from_json, content_to_json
from publishers.errors import ErrorKind, Executed, PublishError

STAGING_DAYS = 7  # an unfinished post older than this was canceled
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_ENDINGS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "video/mp4": ".mp4",
}


@dataclass(frozen=True, slots=True)
class StoredPost:
    """A post as the folder holds it. The paths of its media are names inside its own folder."""

    name: str
    published: datetime
    content: Content


class Folder:
    """One folder. Every method raises PublishError where the disk refuses; nothing half-written is ever live."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._posts = root / "posts"

    # ---- setting up ----------------------------------------------------------------------------

    def make(self) -> None:
        """Create the folder if needed and prove that it can be written to."""
        with self._disk_errors():
            self._posts.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".probe-{secrets.token_hex(4)}"
            _write(probe, b"")
            probe.unlink()
            self.feed_id()

    def feed_id(self) -> str:
        """The feed's lasting id, made at the first call."""
        file = self.root / ".quarry-folder"
        with self._disk_errors():
            try:
                return f"urn:uuid:{uuid.UUID(file.read_text('utf-8').strip())}"
            except (FileNotFoundError, ValueError):
                made = uuid.uuid4()
                self.replace(file.name, f"{made}\n")
                return f"urn:uuid:{made}"

    # ---- publishing ----------------------------------------------------------------------------

    def stage(self, name: str, media: Media) -> None:
        """Copy one file into the post being put together; a file that is there already is left alone."""
        staging = self._staging(name)
        target = staging / file_name(media)
        with self._disk_errors():
            self._require_root()
            staging.mkdir(parents=True, exist_ok=True)
            if target.exists() and target.stat().st_size == media.facts.size:
                return
            part = target.with_suffix(".part")
            _copy_checked(media, part)
            part.replace(target)

    def commit(self, post: StoredPost, page: str) -> None:
        """Make the post live by one rename. Where it is live already, nothing changes.

        `post.content` names its original media, which are staged here if they are not yet."""
        staging = self._staging(post.name)
        live = self._live(post.name)
        if live.exists():
            return
        for part in post.content.parts:
            for media in part.media:
                self.stage(post.name, media)
        with self._disk_errors():
            self._require_root()
            staging.mkdir(parents=True, exist_ok=True)
            _write(staging / "text.txt", post.content.text.encode())
            _write(staging / "content.json", _to_json(post).encode())
            _write(staging / "index.html", page.encode())
            _sync_folder(staging)
            try:
                staging.rename(live)
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
                shutil.rmtree(staging)  # another worker was first, with the same post
        with self._disk_errors(Executed.UNKNOWN):
            _sync_folder(self._posts)

    def remove(self, name: str) -> None:
        """Take a live post away; none is no error."""
        live = self._live(name)
        with self._disk_errors():
            self._require_root()
            if not live.exists():
                return
            gone = self._posts / f".removed-{name}-{secrets.token_hex(4)}"
            live.rename(gone)
            _sync_folder(self._posts)
            shutil.rmtree(gone)

    # ---- reading -------------------------------------------------------------------------------

    def holds(self, name: str) -> bool:
        """Whether the post is live. Raises PublishError where the folder itself is away."""
        with self._disk_errors():
            self._require_root()
            return (self._live(name) / "content.json").is_file()

    def names(self) -> frozenset[str]:
        """The names of all live posts."""
        with self._disk_errors():
            self._require_root()
            if not self._posts.exists():
                return frozenset()
            return frozenset(entry.name for entry in os.scandir(self._posts) if _NAME.fullmatch(entry.name))

    def posts(self) -> Sequence[StoredPost]:
        """All live posts that can be read, newest first."""
        found = []
        for name in self.names():
            try:
                found.append(_from_json(name, (self._live(name) / "content.json").read_text("utf-8")))
            except (OSError, ValueError):
                continue  # not ours, or damaged by hand: the file stays, the index does not show it
        return sorted(found, key=lambda post: (post.published, post.name), reverse=True)

    def replace(self, name: str, text: str) -> None:
        """Write a file of the folder's root whole."""
        with self._disk_errors():
            fresh = self.root / f".{name}-{secrets.token_hex(4)}"
            try:
                _write(fresh, text.encode())
                fresh.replace(self.root / name)
            finally:
                fresh.unlink(missing_ok=True)
            _sync_folder(self.root)

    def sweep(self) -> None:
        """Remove what canceled posts and cut deletions left behind long ago."""
        oldest = time.time() - STAGING_DAYS * 86_400
        with self._disk_errors():
            for entry in list(os.scandir(self._posts)):
                if entry.name.startswith((".staging-", ".removed-")) and entry.stat().st_mtime < oldest:
                    shutil.rmtree(entry.path)

    # ---- inside --------------------------------------------------------------------------------

    def _staging(self, name: str) -> Path:
        return self._posts / f".staging-{_checked(name)}"

    def _live(self, name: str) -> Path:
        return self._posts / _checked(name)

    def _require_root(self) -> None:
        if not self.root.is_dir():
            raise PublishError(
                ErrorKind.PLATFORM_DOWN,
                f"The folder {self.root} is not there (is its drive connected?); the post is kept and goes out "
                "when the folder is back.",
                platform_code="ENOENT",
            )

    @contextmanager
    def _disk_errors(self, executed: Executed = Executed.NO) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _refusal(self.root, error, executed) from error


def file_name(media: Media) -> str:
    """The name of a media file inside its post."""
    return media.facts.sha256 + _ENDINGS.get(media.facts.mime, "")


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise PublishError(ErrorKind.BUG, "The attempt has a name that cannot be a folder; nothing was written.")
    return name


def _refusal(root: Path, error: OSError, executed: Executed) -> PublishError:
    code = errno.errorcode.get(error.errno or 0, type(error).__name__)
    detail = f"{code}: {error.strerror} ({error.filename})"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        kind = ErrorKind.PLATFORM_DOWN
        message = f"The disk of {root} is full; the post is kept and goes out when there is room: free some space."
    elif isinstance(error, PermissionError) or error.errno == errno.EROFS:
        kind = ErrorKind.PERMISSION
        message = f"Quarry may not write in {root}; the post is kept: allow it or choose another folder."
    elif isinstance(error, NotADirectoryError | FileExistsError):
        kind = ErrorKind.PERMISSION
        message = f"A file stands where a folder is needed in {root}; the post is kept: remove it or choose another."
    else:
        kind = ErrorKind.PLATFORM_DOWN
        message = f"The disk of {root} failed ({error.strerror}); the post is kept and Quarry tries again."
    return PublishError(kind, message, executed=executed, platform_code=code, detail=detail)


def _to_json(post: StoredPost) -> str:
    parts = tuple(
        Part(part.text, tuple(replace(one, facts=replace(one.facts, path=Path(file_name(one)))) for one in part.media))
        for part in post.content.parts
    )
    content = replace(post.content, parts=parts)
    data = {"version": 1, "published": post.published.isoformat(), "content": content_to_json(content)}
    return json.dumps(data, ensure_ascii=False, indent=1)


def _from_json(name: str, text: str) -> StoredPost:
    data = json.loads(text)
    if not isinstance(data, dict) or not isinstance(data.get("published"), str):
        raise ValueError(f"posts/{name} is not a post of ours")
    published = datetime.fromisoformat(data["published"])
    if published.tzinfo is None:
        raise ValueError(f"posts/{name} has a time without zone")
    return StoredPost(name, published, content_from_json(data.get("content")))


def _copy_checked(media: Media, target: Path) -> None:
    """Copy and compare with the hash that was approved."""
    digest = hashlib.sha256()
    try:
        source = media.facts.path.open("rb")
    except OSError as error:
        raise PublishError(
            ErrorKind.MEDIA,
            f"{media.facts.path.name} cannot be read any more; the post is kept: attach the file again.",
            detail=str(error),
        ) from error
    with source, target.open("wb") as copy:
        while block := source.read(2**20):
            digest.update(block)
            copy.write(block)
        copy.flush()
        os.fsync(copy.fileno())
    if digest.hexdigest() != media.facts.sha256:
        target.unlink()
        raise PublishError(
            ErrorKind.MEDIA,
            f"{media.facts.path.name} has changed since it was attached; the post is kept: attach the file again.",
        )


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Make renames and new names in a folder last; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
