from __future__ import annotations

import os
import resource
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import KnownError
from app.secrets.contract import SecretsLock
from app.secrets.vault import COST, Vault

PASSPHRASE = "correct horse battery"
CHEAP = 10  # log2 of scrypt's N, so that tests are quick


@pytest.fixture
def lock(tmp_path: Path) -> SecretsLock:
    return SecretsLock(tmp_path / "lock")


@pytest.fixture
def path(tmp_path: Path, lock: SecretsLock) -> Path:
    """A vault that holds one secret."""
    file = tmp_path / "vault"
    Vault.create(file, lock, PASSPHRASE, cost=CHEAP).set("name", "a value")
    return file


def test_values_come_back_in_another_session(path: Path, lock: SecretsLock) -> None:
    vault = Vault.unlock(path, lock, PASSPHRASE)
    vault.set("other", "\U0001f600" * 5000)
    vault.delete("name")
    vault.delete("name")
    again = Vault.unlock(path, lock, PASSPHRASE)
    assert (again.get("other"), again.get("name")) == ("\U0001f600" * 5000, None)


def test_the_file_is_the_owners_alone_and_shows_neither_names_nor_values(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"name" not in path.read_bytes()
    assert b"a value" not in path.read_bytes()


def test_a_new_vault_has_the_full_cost(tmp_path: Path, lock: SecretsLock) -> None:
    Vault.create(tmp_path / "vault", lock, PASSPHRASE)
    assert (tmp_path / "vault").read_bytes()[8] == COST


def test_a_wrong_passphrase_is_one_sentence_and_changes_nothing(path: Path, lock: SecretsLock) -> None:
    before = path.read_bytes()
    with pytest.raises(KnownError, match="passphrase does not open"):
        Vault.unlock(path, lock, PASSPHRASE + "!")
    with pytest.raises(KnownError, match="has just made"):
        Vault.create(path, lock, "another passphrase", cost=CHEAP)
    assert path.read_bytes() == before


def test_one_passphrase_typed_in_two_ways_of_unicode(tmp_path: Path, lock: SecretsLock) -> None:
    Vault.create(tmp_path / "vault", lock, "cafe\u0301 au lait", cost=CHEAP)
    Vault.unlock(tmp_path / "vault", lock, "caf\u00e9 au lait")


def test_a_short_passphrase_is_refused(tmp_path: Path, lock: SecretsLock) -> None:
    with pytest.raises(KnownError, match="too short"):
        Vault.create(tmp_path / "vault", lock, "1234567", cost=CHEAP)
    assert not (tmp_path / "vault").exists()


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SecretsLock, bytes]:
    folder = tmp_path_factory.mktemp("vault")
    lock = SecretsLock(folder / "lock")
    Vault.create(folder / "sealed", lock, PASSPHRASE, cost=CHEAP).set("name", "a value")
    return folder / "changed", lock, (folder / "sealed").read_bytes()


@given(data=st.data())
def test_any_change_of_the_file_is_noticed(sealed: tuple[Path, SecretsLock, bytes], data: st.DataObject) -> None:
    path, lock, good = sealed
    changed = bytearray(good)
    if data.draw(st.booleans()):
        changed[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        changed = changed[: data.draw(st.integers(0, len(good) - 1))]
    path.write_bytes(changed)
    with pytest.raises(KnownError, match=r"damaged|does not open"):
        Vault.unlock(path, lock, PASSPHRASE)
    assert path.read_bytes() == changed


@pytest.mark.parametrize("cost", [0, 9, 19, 255])
def test_a_file_cannot_ask_for_more_memory_than_a_vault_needs(path: Path, lock: SecretsLock, cost: int) -> None:
    changed = bytearray(path.read_bytes())
    changed[8] = cost
    path.write_bytes(changed)
    with pytest.raises(KnownError, match="is damaged"):
        Vault.unlock(path, lock, PASSPHRASE)


def test_a_vault_that_was_swapped_while_open_is_not_overwritten(path: Path, lock: SecretsLock) -> None:
    mine = Vault.unlock(path, lock, PASSPHRASE)
    path.unlink()
    Vault.create(path, lock, "another passphrase", cost=CHEAP)
    before = path.read_bytes()
    with pytest.raises(KnownError, match="replaced by another"):
        mine.set("name", "mine")
    assert path.read_bytes() == before


def test_writers_do_not_lose_each_others_values(path: Path, lock: SecretsLock) -> None:
    vaults = [Vault.unlock(path, lock, PASSPHRASE) for _ in range(4)]

    def write(number: int) -> None:
        for turn in range(10):
            vaults[number].set(f"{number}.{turn}", "x")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(vaults[0].get(f"{number}.{turn}") == "x" for number in range(4) for turn in range(10))


@contextmanager
def no_room_for_files_above(size: int) -> Iterator[None]:
    """What a full disk or a quota does, by the kernel's limit on this process."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_full_disk_keeps_the_old_vault(path: Path, lock: SecretsLock) -> None:
    vault = Vault.unlock(path, lock, PASSPHRASE)
    with no_room_for_files_above(1000), pytest.raises(KnownError, match="what it held is safe"):
        vault.set("long", "x" * 5000)
    assert vault.get("name") == "a value"
    assert sorted(os.listdir(path.parent)) == ["lock", "vault"]
