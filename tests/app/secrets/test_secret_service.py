"""The real Secret Service: GNOME Keyring in a session of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.secret_service.session import run_in_session

DESKTOP = "tests.app.secrets.desktop"

pytestmark = pytest.mark.server


def test_secrets_outlive_the_session_and_leave_nothing_behind(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", str(tmp_path / "data")
    stored = run_in_session(home, DESKTOP, ["store", folder])
    chosen, count = stored.splitlines()
    assert chosen == "keyring.backends.SecretService Keychain"
    assert count == "10 items of at most 1200"  # 9 for 9,602 characters of JSON, 1 for the other; the old ones went
    assert run_in_session(home, DESKTOP, ["read", folder]) == stored
    assert run_in_session(home, DESKTOP, ["forget", folder]).endswith("0 items of at most 0\n")


def test_a_locked_keychain_is_told_and_not_replaced(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "data"
    run_in_session(home, DESKTOP, ["store", str(folder)])
    told = run_in_session(home, DESKTOP, ["read", str(folder)], unlocked=False)
    assert "cannot be reached" in told
    assert not (folder / "vault").exists()
    run_in_session(home, DESKTOP, ["read", str(folder)])


def test_without_an_unlocked_keychain_both_ways_out_are_told(tmp_path: Path) -> None:
    told = run_in_session(tmp_path / "home", DESKTOP, ["store", str(tmp_path / "data")], unlocked=False)
    assert "install or unlock a keychain" in told
    assert "QUARRY_VAULT_PASSPHRASE" in told
