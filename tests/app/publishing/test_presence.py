from __future__ import annotations

import os
from pathlib import Path

from app.publishing.presence import Presence


def test_the_living_and_the_dead(tmp_path: Path) -> None:
    me, other = Presence(tmp_path), Presence(tmp_path)
    assert not me.is_dead(me.owner)
    assert not me.is_dead(other.owner)
    other._lock.release()  # as the system does when a process is killed
    assert me.is_dead(other.owner)
    assert me.is_dead(other.owner), "asking buries nobody: whoever asked may be killed before it freed the leases"
    me.end()


def test_doubtful_workers_count_as_alive(tmp_path: Path) -> None:
    me = Presence(tmp_path)
    for owner in ("creator", "otherhost:1", f"{me.owner.split(':')[0]}:gone", f"{me.owner.split(':')[0]}:../../etc"):
        assert not me.is_dead(owner)
    me.end()
    assert list(tmp_path.iterdir()) == []


def test_old_files_of_the_dead_are_swept(tmp_path: Path) -> None:
    me, dead, fresh = Presence(tmp_path), Presence(tmp_path), Presence(tmp_path)
    for one in (dead, fresh):
        one._lock.release()
    for one in (me, dead):
        os.utime(one._lock.lock_file, (0, 0))
    me.sweep()
    assert {path.name for path in tmp_path.iterdir()} == {Path(one._lock.lock_file).name for one in (me, fresh)}
    me.end()
