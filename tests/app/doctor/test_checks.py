from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.folder import DataFolder
from app.core.settings import MachineSettings
from app.core.words import AccountState
from app.daemon.heartbeat import beat
from app.doctor.checks import Check, Patient, examine
from app.models.service import Models
from app.store.database import Store
from tests.app import samples
from tests.app.samples import NOON


@pytest.fixture
def patient(store: Store, folder: DataFolder, tmp_path: Path) -> Patient:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "granite-4.0-h-1b-Q4_K_M.gguf").write_bytes(b"GGUF")
    return Patient(folder, store, Models(folder, MachineSettings(), tmp_path / "models"), NOON)


def found(patient: Patient) -> dict[str, Check]:
    return {check.name: check for check in examine(patient)}


def test_nothing_to_say_about_a_healthy_patient(patient: Patient) -> None:
    assert [check.name for check in examine(patient) if not check.ok or check.advice] == []


def test_a_scheduler_is_missed_only_while_posts_wait(patient: Patient, folder: DataFolder) -> None:
    store = patient.store
    owner = store.write(lambda unit: unit.accounts.save(samples.account())).result()
    store.write(lambda unit: unit.posts.add(samples.post(owner.id, at=NOON + timedelta(days=1)))).result()
    assert "quarry daemon" in found(patient)["scheduler"].advice
    beat(folder, NOON)
    assert found(patient)["scheduler"].ok


def test_an_account_that_must_sign_in_is_named(patient: Patient) -> None:
    asleep = samples.account(handle="bread.example", state=AccountState.NEEDS_SIGN_IN)
    patient.store.write(lambda unit: unit.accounts.save(asleep)).result()
    check = found(patient)["accounts"]
    assert not check.ok
    assert check.advice == "Connect bread.example again."


def test_a_full_disk_is_bad(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(patient.folder.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10**8))
    check = found(patient)["disk"]
    assert not check.ok
    assert check.value == "0.1 GB free"


def test_a_starter_model_alone_is_advised_to_be_joined(patient: Patient, tmp_path: Path) -> None:
    [file] = (tmp_path / "models").iterdir()
    file.rename(file.with_name("SmolLM2-135M-Instruct.Q4_1.gguf"))
    assert "For real drafts import Granite" in found(patient)["models"].advice
    file.with_name("SmolLM2-135M-Instruct.Q4_1.gguf").unlink()
    assert not found(patient)["models"].ok
