"""A second window on a folder raises the first."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app.core.folder import DataFolder
from app.ui.instance import SingleInstance, socket_name


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data").prepare()


def test_the_second_one_raises_the_first_and_gives_way(folder: DataFolder, qtbot: QtBot):
    first, second = SingleInstance(folder), SingleInstance(folder)
    assert first.claim()
    with qtbot.waitSignal(first.raised):
        assert not second.claim()
    first.close()
    assert second.claim()
    second.close()


def test_other_folders_have_their_own_window(tmp_path: Path, folder: DataFolder, qapp: object):
    first, other = SingleInstance(folder), SingleInstance(DataFolder(tmp_path / "other").prepare())
    assert first.claim()
    assert other.claim()
    first.close()
    other.close()


def test_a_socket_left_by_a_crash_is_taken_over(folder: DataFolder, qapp: object):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(socket_name(folder))
    dead.listen()
    dead.close()  # the file stays, nobody answers
    assert Path(socket_name(folder)).exists()
    instance = SingleInstance(folder)
    assert instance.claim()
    instance.close()


def test_a_folder_with_a_long_name_fits_a_socket_address(tmp_path: Path, qapp: object):
    deep = DataFolder(tmp_path / ("x" * 120)).prepare()
    assert len(socket_name(deep).encode()) < 100
    instance = SingleInstance(deep)
    assert instance.claim()
    instance.close()
