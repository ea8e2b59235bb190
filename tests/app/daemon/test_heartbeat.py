from __future__ import annotations

import os
from datetime import timedelta

import pytest

from app.core.folder import DataFolder
from app.daemon.heartbeat import STALE, beat, last_beat
from tests.app.samples import NOON


def test_a_sign_of_life_is_seen_and_grows_old(folder: DataFolder) -> None:
    folder.prepare()
    assert last_beat(folder) is None
    beat(folder, NOON)
    seen = last_beat(folder)
    assert seen is not None
    assert (seen.at, seen.pid) == (NOON, os.getpid())
    assert seen.alive(NOON + STALE)
    assert not seen.alive(NOON + STALE + timedelta(seconds=1))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"at": "soon", "pid": 1}', b"\xff"])
def test_a_damaged_file_is_no_sign_of_life(folder: DataFolder, content: bytes) -> None:
    folder.prepare()
    (folder.run / "scheduler.json").write_bytes(content)
    assert last_beat(folder) is None


def test_a_folder_that_is_gone_stops_no_publishing(folder: DataFolder) -> None:
    beat(folder, NOON)
    assert last_beat(folder) is None
