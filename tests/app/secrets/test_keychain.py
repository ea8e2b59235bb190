from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyring.errors import KeyringLocked

from app.core.errors import KnownError
from app.secrets.contract import SecretsLock
from app.secrets.keychain import ITEM, SERVICE, Keychain
from tests.app.secrets.memory import MemoryKeychain, PowerCut

# Lengths around the borders of an item, in characters that JSON leaves alone or makes six of.
values = st.one_of(
    st.text(max_size=30),
    st.builds(
        lambda size, mark: (mark * size)[:size],
        st.integers(0, 4 * ITEM),
        st.sampled_from(["a", "é", "\U0001f600", "\ud800"]),
    ),
)


@pytest.fixture
def lock(tmp_path: Path) -> SecretsLock:
    return SecretsLock(tmp_path / "lock")


@pytest.fixture(scope="module")
def shared_lock(tmp_path_factory: pytest.TempPathFactory) -> SecretsLock:
    return SecretsLock(tmp_path_factory.mktemp("lock") / "lock")


@given(value=values)
def test_any_text_comes_back_from_items_windows_can_hold(shared_lock: SecretsLock, value: str) -> None:
    backend = MemoryKeychain()
    Keychain(backend, shared_lock).set("name", value)
    assert Keychain(backend, shared_lock).get("name") == value
    assert max(map(len, backend.items.values())) <= ITEM


@settings(max_examples=300)
@given(old=values, new=st.one_of(values, st.none()), cut=st.integers(0, 40), again=values)
def test_a_crash_between_any_two_calls_leaves_the_old_value_or_the_new(
    shared_lock: SecretsLock, old: str, new: str | None, cut: int, again: str
) -> None:
    backend = MemoryKeychain()
    Keychain(backend, shared_lock).set("name", old)
    writer = Keychain(backend, shared_lock)
    backend.calls, backend.cut_at = 0, cut
    finished = False
    try:
        writer.delete("name") if new is None else writer.set("name", new)
        finished = True
    except PowerCut:
        pass
    backend.cut_at = None
    assert Keychain(backend, shared_lock).get("name") in ((new,) if finished else (old, new))

    later = Keychain(backend, shared_lock)
    later.set("name", again)
    assert Keychain(backend, shared_lock).get("name") == again
    clean = MemoryKeychain()
    Keychain(clean, shared_lock).set("name", again)
    assert len(backend.items) == len(clean.items)  # no piece of a former secret lies about
    later.delete("name")
    assert backend.items == {}  # what the crash left went too


@pytest.mark.parametrize("at", range(8))
@pytest.mark.parametrize(("old", "new"), [("a" * 5000, "b" * 5000), ("a" * 5000, "b"), ("a" * 2000, "b" * 5000)])
def test_a_reader_never_mixes_values_another_process_swaps(lock: SecretsLock, old: str, new: str, at: int) -> None:
    backend = MemoryKeychain()
    writer, reader = Keychain(backend, lock), Keychain(backend, lock)
    writer.set("name", old)

    def later(calls: int) -> None:
        """Swap twice, `calls` reads from now, so that the generation's letter is the same again."""
        if calls:
            backend.before = lambda: later(calls - 1)
        else:
            writer.set("name", "x" * 3000)
            writer.set("name", new)

    backend.before = lambda: later(at)
    assert reader.get("name") in (old, new)


def test_a_secret_is_read_once_a_session(lock: SecretsLock) -> None:
    backend = MemoryKeychain()
    mine, other = Keychain(backend, lock), Keychain(backend, lock)
    assert mine.get("name") is None
    other.set("name", "first")
    assert mine.get("name") == "first"  # that there was none is not remembered
    calls = backend.calls
    assert mine.get("name") == "first"
    assert backend.calls == calls
    other.set("name", "second")
    assert mine.get("name") == "first"
    assert mine.get("name", fresh=True) == "second"
    other.delete("name")
    assert mine.get("name", fresh=True) is None
    assert mine.get("name") is None


def test_a_damaged_entry_counts_as_none(lock: SecretsLock, expected_log) -> None:
    backend = MemoryKeychain()
    Keychain(backend, lock).set("name", "x" * 3000)
    backend.items[SERVICE, "name/a/1"] = "y" * ITEM
    expected_log("entry name is damaged")
    assert Keychain(backend, lock).get("name") is None


def test_deleting_what_is_not_there_is_no_error(lock: SecretsLock) -> None:
    Keychain(MemoryKeychain(), lock).delete("name")


@pytest.mark.parametrize("name", ["", "a/b", "a b", "x" * 101, "é"])
def test_a_name_a_keychain_could_misread_is_refused(lock: SecretsLock, name: str) -> None:
    for call in (Keychain.get, Keychain.delete):
        with pytest.raises(ValueError, match="not a name"):
            call(Keychain(MemoryKeychain(), lock), name)


class LockedKeychain(MemoryKeychain):
    """Repeats what it was given in its error, as no backend should."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked(f"Failed to unlock the collection for {password}!")


def test_a_locked_keychain_is_one_sentence_without_the_secret(lock: SecretsLock) -> None:
    with pytest.raises(KnownError, match="unlock it") as caught:
        Keychain(LockedKeychain(), lock).set("name", "top-secret")
    assert "KeyringLocked" in caught.value.detail
    assert "top-secret" not in f"{caught.value!r} {caught.value.detail}"
    assert caught.value.__suppress_context__
