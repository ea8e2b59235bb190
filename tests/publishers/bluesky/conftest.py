"""The real PDS, and accounts on it that are connected through the adapter."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.publishers.bluesky.creator import Creator, connect
from tests.servers.bluesky.pds import Pds


@pytest.fixture(scope="session")
def connected(pds: Pds, tmp_path_factory: pytest.TempPathFactory) -> Creator:
    """One connected account for the whole run: signing up and in costs the PDS two seconds of hashing."""
    return connect(pds, tmp_path_factory.mktemp("creator"))


@pytest.fixture
def creator(connected: Creator, tmp_path: Path) -> Creator:
    """The connected account as if it were new: it sees what the test posts."""
    return connected.anew(tmp_path)


@pytest.fixture
def own_creator(pds: Pds, tmp_path: Path) -> Creator:
    """An account of the test's own, for tests that spoil it."""
    return connect(pds, tmp_path)
