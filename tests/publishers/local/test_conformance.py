"""The local folder passes the suite of all adapters."""

from __future__ import annotations

from pathlib import Path

import pytest

from publishers.testing.conformance import ConformanceSuite
from tests.publishers.local.platform import FolderUnderTest


class TestConformance(ConformanceSuite):
    @pytest.fixture
    def platform(self, tmp_path: Path) -> FolderUnderTest:
        return FolderUnderTest(tmp_path)
