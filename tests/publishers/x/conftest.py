"""The simulator and the account of each test, on one clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from publishers.testing.clock import Clock
from publishers.testing.x import XSimulator
from tests.publishers.x.under_test import XUnderTest


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[XUnderTest]:
    clock = Clock()
    with XSimulator(now=clock.now) as simulator:
        yield XUnderTest(tmp_path, simulator, clock)
