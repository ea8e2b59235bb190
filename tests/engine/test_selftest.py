"""`engine selftest` is quiet on this machine and loud about a kernel that is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from engine.__main__ import main
from engine.checkpoint.dequantize import TYPE_NAMES
from engine.selftest import checks
from kernels.cpu import library as native


def test_every_format_and_every_kind_of_layer_is_right(capsys: pytest.CaptureFixture[str]):
    assert main(["selftest", "--threads", "2", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    names = {check["name"] for check in document["checks"]}
    assert {f"product with {TYPE_NAMES[type_id]}" for type_id in native.FORMATS} < names
    assert {"attention with RoPE", "Mamba and attention", "mixture of experts"} < names
    assert all(0 < check["difference"] <= check["limit"] for check in document["checks"])


def test_one_wrong_bit_of_a_packed_weight_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    right = native.pack

    def wrong(format_id: int, rows: int, columns: int, source: np.ndarray, target: np.ndarray, **more: int) -> None:
        right(format_id, rows, columns, source, target, **more)
        target[2] ^= 0x40

    monkeypatch.setattr(native, "pack", wrong)
    [first] = [check for check, _ in zip(checks(1), range(1), strict=False)]
    assert not first.ok
    assert main(["selftest", "--threads", "1"]) == 1
    assert "WRONG" in capsys.readouterr().err
