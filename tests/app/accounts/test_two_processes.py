"""Real processes over one data folder, with the vault and the simulated X."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.accounts.service import Accounts
from app.core.clock import utc_now
from app.core.folder import DataFolder
from app.core.words import Account
from app.secrets.opening import PASSPHRASE_VARIABLE, open_secrets
from app.store.database import Store
from publishers.testing.x import Rules, XSimulator
from tests.app.accounts.conftest import ANSWERS, connect_x, free_port, renewals, run
from tests.requirements import ROOT


def child(root: Path, account: Account) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-m", "tests.app.accounts.child", str(root), account.id]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def test_two_processes_at_once_renew_once(folder: DataFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse battery")
    monkeypatch.setattr("app.secrets.vault.COST", 10)
    rules = Rules(client_secret=ANSWERS["client_secret"], access_life=60)
    with XSimulator(rules) as x:
        store = Store(folder)
        store.write(lambda unit: unit.settings.set("oauth.port", free_port())).result()
        accounts = Accounts(store, lambda: open_secrets(folder, lambda: None), utc_now)
        account = run(accounts, connect_x(accounts, x))
        rules.access_life = 7200
        children = [child(folder.root, account) for _ in range(2)]
        for one in children:
            assert one.stdout
            assert one.stdout.readline() == "ready\n"
        tokens = {one.communicate("go\n")[0] for one in children}
        assert [one.returncode for one in children] == [0, 0]
        assert len(tokens) == 1
        assert tokens != {""}
        assert renewals(x) == 1
        store.close()
