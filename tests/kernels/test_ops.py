"""Each op against its reference in float64, over the shapes a decoder meets."""

from __future__ import annotations

import pytest
import torch

from kernels import ops, reference


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def assert_close(actual: torch.Tensor, expected: torch.Tensor):
    torch.testing.assert_close(actual.double(), expected.double(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [1, 2, 65])
@pytest.mark.parametrize("width", [64, 576])
def test_rms_norm(length: int, width: int):
    x, weight = random(length, width) * 30, random(width)
    assert_close(ops.rms_norm(x, weight, 1e-5), reference.rms_norm(x.double(), weight.double(), 1e-5))


@pytest.mark.parametrize("length", [1, 2, 65])
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 32), (96, 263)])
def test_linear_and_rows(length: int, inputs: int, outputs: int):
    x, weight = random(length, inputs), random(outputs, inputs)
    exact = reference.pack(weight.double())
    assert_close(ops.linear(x, ops.pack(weight)), reference.linear(x.double(), exact))
    indices = torch.arange(length) * 7 % outputs
    bias = random(outputs)
    assert_close(ops.linear(x, ops.pack(weight), bias), reference.linear(x.double(), exact, bias.double()))
    assert_close(ops.rows(ops.pack(weight), indices), reference.rows(exact, indices))


@pytest.mark.parametrize("length", [1, 65])
def test_swiglu(length: int):
    gate_up = random(length, 128) * 10
    assert_close(ops.swiglu(gate_up), reference.swiglu(gate_up.double()))


def test_rotate_keeps_lengths_and_depends_on_distance_alone():
    """The property rotary positions exist for: q·k depends on how far apart they are, not on where."""
    q, k = random(1, 1, 8), random(1, 1, 8) + 1
    frequencies = torch.tensor([1.0, 0.3, 0.1, 0.01])

    def at(x: torch.Tensor, position: int) -> torch.Tensor:
        return ops.rotate(x, (position * frequencies).cos()[None], (position * frequencies).sin()[None])

    assert_close(at(q, 5).norm(), q.norm())
    assert_close((at(q, 9) * at(k, 6)).sum(), (at(q, 103) * at(k, 100)).sum())
    assert not torch.allclose((at(q, 9) * at(k, 6)).sum(), (at(q, 9) * at(k, 5)).sum())


@pytest.mark.parametrize("length", [1, 2, 33])
@pytest.mark.parametrize("before", [0, 1, 40])
@pytest.mark.parametrize(("heads", "kv_heads"), [(9, 3), (4, 4), (4, 1)])
def test_attention(length: int, before: int, heads: int, kv_heads: int):
    q = random(length, heads, 16) * 3
    # a view into a longer cache, as the decoder passes it
    k, v = random(kv_heads, 100, 16)[:, : before + length], random(kv_heads, 101, 16)[:, : before + length]
    expected = reference.attention(q.double(), k.double(), v.double(), 0.25)
    assert_close(ops.attention(q, k, v, 0.25), expected)
