"""The Mamba-2 ops against their references in float64: values and changed state, whole, in chunks and step by step."""

from __future__ import annotations

import math

import pytest
import torch

from kernels import ops, reference
from kernels.ops.mamba import CHUNK
from tests.kernels.test_ops import assert_close, random


@pytest.mark.parametrize("length", [1, 2, 3, 65])
@pytest.mark.parametrize("taps", [2, 4])
@pytest.mark.parametrize("bias", [random(24), None])
def test_causal_convolution(length: int, taps: int, bias: torch.Tensor | None):
    x, weight, state = random(length, 24), random(24, taps), random(taps - 1, 24)
    exact = state.double()
    exact_bias = None if bias is None else bias.double()
    expected = reference.causal_convolution(x.double(), exact, weight.double(), exact_bias)
    assert_close(ops.causal_convolution(x, state, weight, bias), expected)
    assert_close(state, exact)


def test_time_step_is_softplus_within_its_limit():
    dt = torch.tensor([[-200.0, -1.0, 0.0, 1.0, 19.0, 21.0, 200.0]])
    bias = torch.zeros(7)
    assert_close(ops.time_step(dt, bias, (0.0, math.inf)), reference.time_step(dt.double(), bias, (0.0, math.inf)))
    assert_close(ops.time_step(dt, bias + 1, (0.001, 20)), reference.time_step(dt.double(), bias + 1, (0.001, 20)))
    assert ops.time_step(dt, bias, (0.5, 100.0)).aminmax() == (0.5, 100.0)


def scan_arguments(length: int, heads: int, groups: int) -> tuple[torch.Tensor, ...]:
    """x, dt, a, b, c, d and a state that is not zero."""
    return (
        random(length, heads, 8),
        torch.rand(length, heads, generator=torch.Generator().manual_seed(length)),
        -random(heads).exp(),
        random(length, groups, 16),
        random(length, groups, 16) * 2,
        random(heads),
        random(heads, 8, 16),
    )


def assert_scans_equal(arguments: tuple[torch.Tensor, ...]):
    exact = tuple(value.double() for value in arguments)
    assert_close(ops.selective_scan(*arguments), reference.selective_scan(*exact))
    assert_close(arguments[-1], exact[-1])


@pytest.mark.parametrize("length", [1, 2, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
@pytest.mark.parametrize(("heads", "groups"), [(4, 1), (6, 2), (3, 3)])
def test_selective_scan(length: int, heads: int, groups: int):
    assert_scans_equal(scan_arguments(length, heads, groups))


def test_a_scan_with_steps_of_every_size_stays_finite():
    """Differences of decays are taken before the exponential: after a long chunk of large steps nothing is left."""
    x, _, *others = scan_arguments(CHUNK, 4, 1)
    assert_scans_equal((x, 10 ** torch.linspace(-6, 3, CHUNK)[:, None].repeat(1, 4), *others))


@pytest.mark.parametrize("implementation", [ops, reference])
@pytest.mark.parametrize("cut", [1, 7, CHUNK])
def test_in_pieces_equals_at_once(implementation, cut: int):
    """Convolution and scan carry all they need in their states."""
    length = CHUNK + 9
    x, dt, a, b, c, d, state = scan_arguments(length, 4, 2)
    channels, weight, bias = random(length, 24), random(24, 4), random(24)
    whole_state, piece_state = state.clone(), state.clone()
    whole_tail, piece_tail = torch.zeros(3, 24), torch.zeros(3, 24)
    whole = implementation.selective_scan(x, dt, a, b, c, d, whole_state)
    convolved = implementation.causal_convolution(channels, whole_tail, weight, bias)
    for at in range(0, length, cut):
        part = slice(at, at + cut)
        piece = implementation.selective_scan(x[part], dt[part], a, b[part], c[part], d, piece_state)
        torch.testing.assert_close(piece, whole[part], rtol=1e-5, atol=1e-5)
        piece = implementation.causal_convolution(channels[part], piece_tail, weight, bias)
        torch.testing.assert_close(piece, convolved[part], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(piece_state, whole_state, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(piece_tail, whole_tail, rtol=0, atol=0)


@pytest.mark.parametrize("length", [1, 65])
@pytest.mark.parametrize("groups", [1, 4])
def test_gated_norm(length: int, groups: int):
    x, gate, weight = random(length, 96) * 20, random(length, 96) * 3, random(96)
    expected = reference.gated_norm(x.double(), gate.double(), weight.double(), 1e-5, groups)
    assert_close(ops.gated_norm(x, gate, weight, 1e-5, groups), expected)
    ungrouped = reference.rms_norm(x * gate * gate.sigmoid(), weight, 1e-5)
    assert torch.allclose(expected.float(), ungrouped, rtol=1e-4, atol=1e-5) == (groups == 1)


def test_the_same_again_gives_the_same_bits():
    first, second = scan_arguments(CHUNK + 9, 6, 2), scan_arguments(CHUNK + 9, 6, 2)
    assert torch.equal(ops.selective_scan(*first), ops.selective_scan(*second))
    assert torch.equal(first[-1], second[-1])
