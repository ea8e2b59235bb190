"""Pond as a plugin: an installed distribution with an entry point, as a third party would bring it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from publishers import registry
from tests.conformance.pond_platform import PondUnderTest
from tests.conformance.pond_server import PondServer


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    site = tmp_path / "site-packages"
    info = site / "quarry_pond-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: quarry-pond\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[quarry.publishers]\npond = tests.conformance.pond:adapter\n")
    monkeypatch.syspath_prepend(str(site))
    registry.look_again()
    yield
    monkeypatch.undo()
    registry.look_again()


@pytest.fixture
def server() -> Iterator[PondServer]:
    with PondServer() as running:
        yield running


@pytest.fixture
def platform(tmp_path: Path, server: PondServer, _installed: None) -> PondUnderTest:
    return PondUnderTest(tmp_path, server)
