"""What is particular to the local folder; the rest is in test_conformance.py."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from publishers.api import Connected, Content, Identity, Metrics, NotFound, Part, TokenSet
from publishers.errors import ErrorKind, PublishError
from publishers.http import open_http
from publishers.local.adapter import adapter
from publishers.local.folder import Folder, StoredPost
from publishers.local.serve import Site, serve
from publishers.testing.bench import trial
from publishers.testing.conformance import Sample
from publishers.testing.record import Phase
from publishers.testing.samples import film, picture
from tests.publishers.local.platform import FolderUnderTest

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
def platform(tmp_path: Path) -> FolderUnderTest:
    return FolderUnderTest(tmp_path)


def sign_in(**answers: str) -> Connected:
    async def call() -> Connected:
        async with open_http() as http:
            return await adapter.sign_in(http, answers, NOW)

    return asyncio.run(call())


def measure(platform: FolderUnderTest, *names: str) -> Mapping[str, object]:
    async def call() -> Mapping[str, object]:
        async with platform.open_context(TokenSet(), "") as context:
            return await adapter.post_metrics(context, names)

    return asyncio.run(call())


class TestSigningIn:
    def test_folder_is_made_with_its_pages(self, tmp_path: Path) -> None:
        made = sign_in(folder=str(tmp_path / "deep" / "site"), title=" My  site ")
        identity = made.identity
        assert identity == Identity(str(tmp_path / "deep" / "site"), "My site", identity.server, "My site")
        assert identity.server == (tmp_path / "deep" / "site").as_uri() + "/"
        assert "My site" in (tmp_path / "deep/site/index.html").read_text()
        assert ElementTree.parse(tmp_path / "deep/site/feed.xml")
        assert made.tokens.access_token == ""

    def test_title_defaults_to_the_folders_name(self, tmp_path: Path) -> None:
        assert sign_in(folder=str(tmp_path / "blog")).identity.handle == "blog"

    def test_again_keeps_what_is_there(self, platform: FolderUnderTest) -> None:
        one = trial(platform)
        one.run()
        before = (platform.root / ".quarry-folder").read_text()
        sign_in(folder=str(platform.root))
        one.assert_live_once()
        assert (platform.root / ".quarry-folder").read_text() == before
        assert one.tag in (platform.root / "index.html").read_text()

    @pytest.mark.parametrize("address", ["https://example.org/blog", "https://example.org/blog/"])
    def test_web_address(self, tmp_path: Path, address: str) -> None:
        made = sign_in(folder=str(tmp_path), base_url=address)
        assert made.identity.server == "https://example.org/blog/"

    @pytest.mark.parametrize(
        "answers",
        [
            {},
            {"folder": ""},
            {"folder": "relative/path"},
            {"folder": "/tmp/a\0b"},
            {"base_url": "example.org"},
            {"base_url": "javascript:alert(1)"},
            {"base_url": "https://exa mple.org/"},
            {"base_url": "https://example.org/?a=b"},
            {"base_url": "http://[::1/"},
            {"access_log": "access.log"},
        ],
    )
    def test_answers_that_cannot_be(self, tmp_path: Path, answers: dict[str, str]) -> None:
        folder = {"folder": str(tmp_path / "site")} if "folder" not in answers and answers else {}
        with pytest.raises(PublishError, match="nothing was changed") as caught:
            sign_in(**folder, **answers)
        assert caught.value.kind is ErrorKind.CONTENT
        assert not (tmp_path / "site").exists()


class TestPublishing:
    def test_permalink_opens(self, platform: FolderUnderTest) -> None:
        one = trial(platform, platform.unicode_sample)
        record = one.run()
        assert record.permalink == (platform.root / "posts" / record.remote_id / "index.html").as_uri()
        assert record.remote_id == one.file.stem, "the attempt's id is the post's name"

    def test_feed_and_index_follow(self, platform: FolderUnderTest) -> None:
        for one in (trial(platform), trial(platform)):
            one.run()
            assert one.tag in (platform.root / "index.html").read_text()
            assert one.tag in (platform.root / "feed.xml").read_text()

    def test_post_is_published_though_the_feed_cannot_be_written(self, platform: FolderUnderTest) -> None:
        (platform.root / "index.html").unlink()
        (platform.root / "index.html").mkdir()
        one = trial(platform)
        record = one.run()
        one.assert_published_once(record)
        assert len(record.warnings) == 1

    def test_files_are_copied_one_at_a_time(self, platform: FolderUnderTest) -> None:
        media = tuple(film(platform.media, f"{number}.mp4", size=1000 + number) for number in range(3))
        one = trial(platform, lambda tag: Sample("three", Content((Part(tag, media),))))
        attempt = one.attempt()
        copied = []
        for _ in range(3):
            asyncio.run(attempt.step_once())
            copied.append(len(list(platform.root.glob("posts/.staging-*/*.mp4"))))
        assert copied == [1, 2, 3]
        one.assert_published_once(one.finish())

    def test_no_more_than_ten_files(self, platform: FolderUnderTest) -> None:
        images = tuple(picture(platform.media, f"{number}.png") for number in range(6))
        films = tuple(film(platform.media, f"{number}.mp4", size=100) for number in range(5))
        issues = adapter.validate(Content((Part("x", images + films),)))
        assert [issue.code for issue in issues if issue.severity == "error"] == ["media.too_many"]

    def test_picture_without_text(self, platform: FolderUnderTest) -> None:
        content = Content((Part("", (picture(platform.media),)),))
        assert adapter.validate(content) == []
        assert [issue.code for issue in adapter.validate(Content.plain(" "))] == ["text.empty"]

    def test_folder_that_is_away_waits_and_comes_back(self, platform: FolderUnderTest, tmp_path: Path) -> None:
        one = trial(platform)
        platform.root.rename(tmp_path / "unplugged")
        attempt = one.attempt()
        assert one.run(attempt).phase is Phase.WAITING
        assert attempt.error
        assert attempt.error.kind is ErrorKind.PLATFORM_DOWN
        (tmp_path / "unplugged").rename(platform.root)
        one.assert_published_once(one.finish())

    def test_reconcile_with_the_folder_away_does_not_say_not_found(self, platform: FolderUnderTest) -> None:
        platform.identity = dataclasses.replace(platform.identity, remote_id=str(platform.folder / "gone"))
        with pytest.raises(PublishError):
            _reconcile(platform)

    def test_reconcile_is_sure(self, platform: FolderUnderTest) -> None:
        assert _reconcile(platform) == NotFound(authoritative=True)

    def test_post_that_comes_while_the_feed_is_made_is_in_it(
        self, platform: FolderUnderTest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Another worker's rename between our listing and our writing."""
        one, other = trial(platform), StoredPost("other", NOW, Content.plain("came in between"))
        listing = Folder.posts

        def posts(folder: Folder) -> Sequence[StoredPost]:
            listed = listing(folder)
            folder.commit(other, "page")
            return listed

        monkeypatch.setattr(Folder, "posts", posts)
        one.run()
        for page in ("feed.xml", "index.html"):
            assert "came in between" in (platform.root / page).read_text()


def _reconcile(platform: FolderUnderTest) -> object:
    async def call() -> object:
        async with platform.open_context(TokenSet(), "one") as context:
            return await adapter.reconcile(context, Content.plain("x"), "commit", {"post": "one"}, NOW)

    return asyncio.run(call())


class TestViews:
    @pytest.fixture
    def served(self, platform: FolderUnderTest, tmp_path: Path) -> Iterator[Site]:
        log = tmp_path / "access.log"
        with serve(platform.root, log) as site:
            platform.identity = dataclasses.replace(platform.identity, server=site.url)
            platform.settings = {"access_log": str(log)}
            yield site

    def test_visits_of_the_permalink_count(self, platform: FolderUnderTest, served: Site) -> None:
        record = trial(platform).run()
        assert record.permalink == f"{served.url}posts/{record.remote_id}/"

        async def visit() -> None:
            async with open_http() as http:
                await http.request("GET", record.permalink, headers={"User-Agent": "A browser"})
                await http.request("GET", record.permalink, headers={"User-Agent": "Another"})
                await http.request("GET", record.permalink, headers={"User-Agent": "QuarryPreview/1"})

        asyncio.run(visit())
        found = measure(platform, record.remote_id)[record.remote_id]
        assert isinstance(found, Metrics)
        assert found.views == 2
        assert found.raw == {"lines": 3, "malformed": 0, "robots": 1, "cut": False}

    def test_no_log_is_not_zero(self, platform: FolderUnderTest) -> None:
        record = trial(platform).run()
        assert measure(platform, record.remote_id) == {record.remote_id: Metrics(views=None)}
        platform.settings = {"access_log": str(platform.folder / "not-yet.log")}
        assert measure(platform, record.remote_id) == {record.remote_id: Metrics(views=None)}

    def test_log_that_cannot_be_read(self, platform: FolderUnderTest) -> None:
        record = trial(platform).run()
        platform.settings = {"access_log": str(platform.folder)}
        with pytest.raises(PublishError, match="cannot be read") as caught:
            measure(platform, record.remote_id)
        assert caught.value.kind is ErrorKind.PERMISSION
