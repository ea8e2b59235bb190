"""The folder: one rename makes a post live, and every failure of the disk leaves nothing half-written."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publishers.api import Content, Media, Part
from publishers.errors import ErrorKind, Executed, PublishError
from publishers.local.folder import STAGING_DAYS, Folder, StoredPost, file_name
from publishers.testing.samples import UNICODE_TEXT, picture

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "site")
    made.make()
    return made


@pytest.fixture
def image(tmp_path: Path) -> Media:
    return picture(tmp_path)


def post(name: str = "one", text: str = "Hello", *media: Media, at: datetime = NOON) -> StoredPost:
    return StoredPost(name, at, Content((Part(text, media),), {"title": "T"}))


def visible(folder: Folder) -> list[str]:
    """Everything a visitor could see."""
    files = (file.relative_to(folder.root) for file in folder.root.rglob("*") if file.is_file())
    return sorted(str(file) for file in files if not any(part.startswith(".") for part in file.parts))


class TestPublishing:
    def test_post_is_whole(self, folder: Folder, image: Media) -> None:
        folder.commit(post("one", UNICODE_TEXT, image), "<p>page</p>")
        live = folder.root / "posts" / "one"
        assert sorted(file.name for file in live.iterdir()) == sorted(
            ["index.html", "content.json", "text.txt", file_name(image)]
        )
        assert (live / "text.txt").read_bytes() == UNICODE_TEXT.encode()
        assert (live / "index.html").read_text() == "<p>page</p>"
        assert (live / file_name(image)).read_bytes() == image.facts.path.read_bytes()

    def test_it_comes_back_equal_but_for_the_paths(self, folder: Folder, image: Media) -> None:
        folder.commit(post("one", UNICODE_TEXT, image), "")
        (found,) = folder.posts()
        assert (found.name, found.published, found.content.text) == ("one", NOON, UNICODE_TEXT)
        assert str(found.content.parts[0].media[0].facts.path) == file_name(image)
        assert str(image.facts.path.parent) not in (folder.root / "posts/one/content.json").read_text()

    def test_second_commit_changes_nothing(self, folder: Folder) -> None:
        folder.commit(post(text="first"), "first")
        folder.commit(post(text="second"), "second")
        assert (folder.root / "posts/one/index.html").read_text() == "first"
        assert [name for name in os.listdir(folder.root / "posts") if name.startswith(".")] == []

    def test_another_worker_was_first(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        """The rename itself refuses a post that came in between."""
        exists = Path.exists
        folder.commit(post(text="first"), "first")
        monkeypatch.setattr(Path, "exists", lambda path, **rest: path.name != "one" and exists(path, **rest))
        folder.commit(post(text="second"), "second")
        monkeypatch.undo()
        assert visible(folder) == ["posts/one/content.json", "posts/one/index.html", "posts/one/text.txt"]
        assert (folder.root / "posts/one/index.html").read_text() == "first"
        assert os.listdir(folder.root / "posts") == ["one"]

    def test_newest_first(self, folder: Folder) -> None:
        for day in (2, 3, 1):
            folder.commit(post(f"p{day}", at=NOON.replace(day=day)), "")
        assert [one.name for one in folder.posts()] == ["p3", "p2", "p1"]

    def test_files_of_one_content_stand_once(self, folder: Folder, image: Media) -> None:
        folder.commit(post("one", "twice", image, image), "")
        assert len(list((folder.root / "posts/one").glob("*.png"))) == 1

    def test_staged_file_is_not_copied_again(self, folder: Folder, image: Media) -> None:
        folder.stage("one", image)
        image.facts.path.unlink()
        folder.commit(post("one", "text", image), "")
        assert folder.holds("one")

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", ".hidden", "a\\b", "a\0", "x" * 101, "../../etc"])
    def test_names_that_are_no_folder(self, folder: Folder, name: str) -> None:
        for call in (folder.remove, folder.holds, lambda name: folder.commit(post(name), "")):
            with pytest.raises(PublishError) as caught:
                call(name)
            assert caught.value.kind is ErrorKind.BUG


class TestRemoving:
    def test_gone_and_gone_again(self, folder: Folder) -> None:
        folder.commit(post(), "")
        folder.remove("one")
        folder.remove("one")
        assert not folder.holds("one")
        assert os.listdir(folder.root / "posts") == []

    def test_sweep_takes_old_remains_only(self, folder: Folder, image: Media) -> None:
        folder.commit(post(), "")
        folder.stage("fresh", image)
        folder.stage("old", image)
        long_ago = datetime.now(UTC).timestamp() - (STAGING_DAYS + 1) * 86_400
        os.utime(folder.root / "posts/.staging-old", (long_ago, long_ago))
        os.utime(folder.root / "posts/one", (long_ago, long_ago))
        folder.sweep()
        assert sorted(os.listdir(folder.root / "posts")) == [".staging-fresh", "one"]


class TestReading:
    @pytest.mark.parametrize(
        "text", ["", "{", "[]", "{}", '{"published": "2026-01-01", "content": {}}', '{"published": 1}', "\x00" * 10]
    )
    def test_damaged_post_is_left_out(self, folder: Folder, text: str) -> None:
        folder.commit(post(), "")
        bad = folder.root / "posts" / "bad"
        bad.mkdir()
        (bad / "content.json").write_text(text)
        assert [one.name for one in folder.posts()] == ["one"]
        assert bad.exists()

    def test_time_without_zone_is_left_out(self, folder: Folder) -> None:
        folder.commit(post(), "")
        file = folder.root / "posts/one/content.json"
        file.write_text(re.sub(r'\+00:00"', '"', file.read_text()))
        assert folder.posts() == []

    def test_feed_id_lasts(self, folder: Folder) -> None:
        first = folder.feed_id()
        assert first == folder.feed_id() == Folder(folder.root).feed_id()
        (folder.root / ".quarry-folder").write_text("damaged")
        assert folder.feed_id() not in {first, ""}


Fail = Callable[[int, str], None]


@pytest.fixture
def fail_fsync(monkeypatch: pytest.MonkeyPatch) -> Fail:
    """Let fsync fail where the path it syncs ends in a given name: the disk says no where it matters."""

    def fail(number: int, ending: str) -> None:
        real = os.fsync

        def fsync(descriptor: int) -> None:
            if os.readlink(f"/proc/self/fd/{descriptor}").endswith(ending):
                raise OSError(number, os.strerror(number), ending)
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    return fail


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc to know which file is synced")
class TestFailingDisk:
    @pytest.mark.parametrize("ending", ["text.txt", "content.json", "index.html", ".part", ".staging-one"])
    @pytest.mark.parametrize(
        ("number", "kind"),
        [
            (errno.ENOSPC, ErrorKind.PLATFORM_DOWN),
            (errno.EDQUOT, ErrorKind.PLATFORM_DOWN),
            (errno.EIO, ErrorKind.PLATFORM_DOWN),
            (errno.EROFS, ErrorKind.PERMISSION),
            (errno.EACCES, ErrorKind.PERMISSION),
        ],
    )
    def test_nothing_is_live(
        self, folder: Folder, image: Media, fail_fsync: Fail, number: int, kind: ErrorKind, ending: str
    ) -> None:
        before = visible(folder)
        fail_fsync(number, ending)
        with pytest.raises(PublishError) as caught:
            folder.commit(post("one", "text", image), "page")
        error = caught.value
        assert (error.kind, error.executed, error.platform_code) == (kind, Executed.NO, errno.errorcode[number])
        assert "kept" in error.user_message
        assert visible(folder) == before

    def test_it_goes_out_when_there_is_room(
        self, folder: Folder, image: Media, fail_fsync: Fail, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fail_fsync(errno.ENOSPC, "index.html")
        with pytest.raises(PublishError):
            folder.commit(post("one", "text", image), "page")
        monkeypatch.undo()
        folder.commit(post("one", "text", image), "page")
        assert folder.holds("one")

    def test_after_the_rename_it_is_unknown(self, folder: Folder, fail_fsync: Fail) -> None:
        fail_fsync(errno.EIO, "/posts")
        with pytest.raises(PublishError) as caught:
            folder.commit(post(), "page")
        assert caught.value.executed is Executed.UNKNOWN
        assert folder.holds("one")

    def test_old_feed_stays(self, folder: Folder, fail_fsync: Fail) -> None:
        folder.replace("feed.xml", "old")
        seen = sorted(os.listdir(folder.root))
        fail_fsync(errno.ENOSPC, "")
        with pytest.raises(PublishError):
            folder.replace("feed.xml", "new")
        assert (folder.root / "feed.xml").read_text() == "old"
        assert sorted(os.listdir(folder.root)) == seen


class TestMissingFolder:
    def test_unplugged_drive(self, folder: Folder, image: Media, tmp_path: Path) -> None:
        folder.root.rename(tmp_path / "elsewhere")
        for call in (
            lambda: folder.stage("one", image),
            lambda: folder.commit(post(), ""),
            lambda: folder.holds("one"),
            lambda: folder.remove("one"),
            folder.names,
        ):
            with pytest.raises(PublishError) as caught:
                call()
            assert caught.value.kind is ErrorKind.PLATFORM_DOWN
            assert "drive" in caught.value.user_message
        assert not folder.root.exists(), "it must not be made anew: the drive comes back under this name"

    def test_a_file_stands_there(self, tmp_path: Path) -> None:
        (tmp_path / "site").write_text("")
        with pytest.raises(PublishError) as caught:
            Folder(tmp_path / "site").make()
        assert caught.value.kind is ErrorKind.PERMISSION


class TestMedia:
    def test_changed_file_is_refused(self, folder: Folder, image: Media) -> None:
        image.facts.path.write_bytes(b"other")
        with pytest.raises(PublishError, match="has changed") as caught:
            folder.stage("one", image)
        assert caught.value.kind is ErrorKind.MEDIA
        assert list((folder.root / "posts/.staging-one").iterdir()) == []

    def test_missing_file_is_refused(self, folder: Folder, image: Media) -> None:
        image.facts.path.unlink()
        with pytest.raises(PublishError, match="cannot be read") as caught:
            folder.stage("one", image)
        assert caught.value.kind is ErrorKind.MEDIA

    def test_content_json_says_what_stands_there(self, folder: Folder, image: Media) -> None:
        folder.commit(post("one", "text", image), "")
        data = json.loads((folder.root / "posts/one/content.json").read_text())
        assert data["version"] == 1
        assert data["content"]["parts"][0]["media"][0]["path"] == file_name(image)
