"""Finding adapters: built in, as plugins, broken ones; reading channels."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publishers import registry
from publishers.registry import UnknownPlatform
from tests.logged import ExpectedLog

GOOD = """
from dataclasses import replace
from publishers.local.adapter import CAPABILITIES, LocalFolder
adapter = LocalFolder(replace(CAPABILITIES, platform='{}'))
"""

Install = Callable[[str, str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution whose module `plugin_<platform>` has the given source."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def put(platform: str, source: str) -> None:
        info = tmp_path / f"quarry_{platform}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: quarry-{platform}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[quarry.publishers]\n{platform} = plugin_{platform}:adapter\n")
        (tmp_path / f"plugin_{platform}.py").write_text(source)
        made.append(f"plugin_{platform}")
        importlib.invalidate_caches()
        registry.look_again()

    yield put
    monkeypatch.undo()
    for name in made:
        sys.modules.pop(name, None)
    registry.look_again()


class TestFinding:
    def test_built_in(self) -> None:
        assert "local" in registry.platform_ids()
        assert "testing" not in registry.platform_ids()
        assert registry.get("local").capabilities.name == "Local folder"

    def test_folder_name_is_platform_id(self) -> None:
        for platform in registry.platform_ids():
            assert registry.get(platform).capabilities.platform == platform

    def test_unknown(self) -> None:
        with pytest.raises(UnknownPlatform, match=r"no platform 'myspace'; the platforms are: .*local"):
            registry.get("myspace")

    @pytest.mark.parametrize("name", ["testing", "../local", "", "http", "local.adapter"])
    def test_what_is_no_adapter(self, name: str) -> None:
        with pytest.raises(UnknownPlatform):
            registry.get(name)

    def test_plugin(self, install: Install) -> None:
        install("meadow", GOOD.format("meadow"))
        assert registry.get("meadow").capabilities.platform == "meadow"
        assert "meadow" in [one.platform for one in registry.platforms()]

    @pytest.mark.parametrize(
        ("source", "reason"),
        [
            ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
            ("import a_module_that_is_not_there", "a_module_that_is_not_there"),
            ("x = 1", "adapter"),
            ("adapter = object()", "lacks parts of the contract"),
            (GOOD.format("other"), "calls itself 'other'"),
        ],
    )
    def test_broken_plugin_stops_no_other(
        self, install: Install, expected_log: ExpectedLog, source: str, reason: str
    ) -> None:
        install("broken", source)
        expected_log(reason)
        loaded = [one.platform for one in registry.platforms()]
        assert "local" in loaded
        assert "broken" not in loaded
        assert reason in registry.broken()["broken"]
        with pytest.raises(UnknownPlatform, match="broken"):
            registry.get("broken")

    def test_plugin_does_not_replace_a_built_in(self, install: Install) -> None:
        install("local", "raise RuntimeError('taken over')")
        assert registry.get("local").capabilities.name == "Local folder"


class TestChannels:
    @pytest.mark.parametrize("text", ["local", "local/post", " local "])
    def test_reading(self, text: str) -> None:
        assert registry.parse_channel(text) == ("local", "post")

    def test_unknown_format(self) -> None:
        with pytest.raises(UnknownPlatform, match=r"no format 'reel'; its channels are: local/post"):
            registry.parse_channel("local/reel")

    @pytest.mark.parametrize("text", ["", "/", "/post", "local/", "local/post/x", "LOCAL"])
    def test_what_is_no_channel(self, text: str) -> None:
        with pytest.raises(UnknownPlatform):
            registry.parse_channel(text)

    def test_name_and_back(self) -> None:
        for capabilities in registry.platforms():
            for one in capabilities.formats:
                name = registry.channel_name(capabilities.platform, one.id)
                assert registry.parse_channel(name) == (capabilities.platform, one.id)

    @given(st.text())
    def test_any_text_is_read_or_refused_with_a_sentence(self, text: str) -> None:
        refusal = "."
        try:
            platform, format_id = registry.parse_channel(text)
        except UnknownPlatform as error:
            refusal = str(error)
        else:
            assert registry.channel_name(platform, format_id) in {text.strip(), platform}
        assert refusal.endswith(".")
