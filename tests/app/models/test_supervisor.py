"""Engines of one data folder: shared, replaced when dead, dead with their owner. The model is tiny and random."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from app.core.errors import NotThere, ServiceDown
from app.core.folder import DataFolder
from app.core.settings import MachineSettings
from app.models.service import Models
from engine.protocol import ChatRequest, Message, ModelInfo
from tests.engine.tiny import write_tiny
from tests.engine.waiting import until
from tests.leaks import children

T = TypeVar("T")
SETTINGS = MachineSettings(engine_threads=1, engine_context=512)


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_tiny(folder / "tiny.gguf")
    return folder


@pytest.fixture
def models(folder: DataFolder, models_folder: Path) -> Iterator[Models]:
    made = Models(folder.prepare(), SETTINGS, models_folder)
    yield made
    made.close()


@pytest.fixture
def others(folder: DataFolder, models_folder: Path) -> Iterator[Models]:
    """As another process over the same data folder has them."""
    made = Models(folder.prepare(), SETTINGS, models_folder)
    yield made
    made.close()


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def info(models: Models, model: str = "", endpoint: str = "") -> ModelInfo:
    async with models.running(model, endpoint) as running:
        return running.info


def address(folder: DataFolder) -> dict[str, Any]:
    [file] = folder.run.glob("engine-*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    return {**json.loads(file.read_text()), "file": file}


def test_whoever_comes_second_shares_the_engine(models: Models, others: Models, folder: DataFolder) -> None:
    assert run(info(models)).id == "tiny"
    first = address(folder)
    assert run(info(others)).id == "tiny"
    assert address(folder) == first
    others.close()
    assert psutil.pid_exists(first["pid"])
    models.close()
    assert not psutil.pid_exists(first["pid"])
    assert not first["file"].exists()


def test_many_at_once_start_one_engine(models: Models, others: Models, folder: DataFolder) -> None:
    async def at_once() -> list[ModelInfo]:
        return await asyncio.gather(*(info(one) for one in (models, others, models, others)))

    before = children()
    assert {found.id for found in run(at_once())} == {"tiny"}
    assert children() - before == {address(folder)["pid"]}


def test_a_killed_engine_is_replaced(models: Models, folder: DataFolder) -> None:
    run(info(models))
    before = address(folder)
    os.kill(before["pid"], signal.SIGKILL)
    assert run(info(models)).id == "tiny"
    assert address(folder)["pid"] != before["pid"]


def test_an_engine_that_takes_another_token_is_not_ours(
    models: Models, models_folder: Path, folder: DataFolder, tmp_path: Path
) -> None:
    """What a crash leaves: an address whose port another folder's engine has got since."""
    elsewhere = DataFolder(tmp_path / "elsewhere").prepare()
    strangers = Models(elsewhere, SETTINGS, models_folder)
    run(info(strangers))
    theirs = address(elsewhere)
    stale = folder.run / theirs["file"].name
    stale.write_text(json.dumps({"port": theirs["port"], "pid": theirs["pid"], "token": "old"}))
    stale.chmod(0o600)
    assert run(info(models)).id == "tiny"
    assert address(folder)["port"] != theirs["port"]
    strangers.close()


def test_the_token_stands_in_no_command_line(models: Models, folder: DataFolder) -> None:
    run(info(models))
    known = address(folder)
    assert known["token"] not in " ".join(psutil.Process(known["pid"]).cmdline())
    assert known["token"] not in "".join(path.read_text() for path in folder.logs.iterdir())


def test_what_was_read_is_kept_in_the_data_folder_for_its_owner_alone(models: Models, folder: DataFolder) -> None:
    async def ask() -> None:
        async with models.running() as running:
            request = ChatRequest("tiny", (Message("user", ("A source text. " * 10,)),), max_tokens=1)
            assert [event async for event in running.client.stream(request)]

    run(ask())
    assert until(lambda: len(list(folder.prefixes.glob("*.prefix"))) == 1)
    [kept] = folder.prefixes.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.prefixes.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_a_damaged_model_file_is_one_sentence(folder: DataFolder, tmp_path: Path, damage: str) -> None:
    whole = write_tiny(tmp_path / "whole.gguf").read_bytes()
    broken = tmp_path / "models" / "loaf.gguf"
    broken.parent.mkdir()
    broken.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"PK\x03\x04" + whole)
    models = Models(folder.prepare(), SETTINGS, broken.parent)
    with pytest.raises(
        ServiceDown, match=r"could not start loaf: The model file is damaged .* No text was lost"
    ) as caught:
        run(info(models))
    models.close()
    assert "Traceback" not in caught.value.message
    assert list(folder.run.glob("engine-*.json")) == []


def test_a_model_that_is_not_there(models: Models) -> None:
    with pytest.raises(NotThere, match="“big”"):
        run(info(models, "big"))


def test_an_endpoint_is_asked_for_its_models(models: Models, others: Models, folder: DataFolder) -> None:
    run(info(others))
    url = f"http://127.0.0.1:{address(folder)['port']}"
    with pytest.raises(ServiceDown, match="No text was lost"):  # it wants a token, which an endpoint has none of
        run(info(models, endpoint=url))
    with pytest.raises(ServiceDown, match="No text was lost"):
        run(info(models, endpoint="http://127.0.0.1:9"))
