"""Routing and the mixture of experts against their references in float64."""

from __future__ import annotations

import pytest
import torch

from kernels import ops, reference
from tests.kernels.test_ops import assert_close, random


@pytest.mark.parametrize("length", [1, 2, 33])
@pytest.mark.parametrize(("experts", "used"), [(6, 2), (8, 8), (5, 1)])
def test_route(length: int, experts: int, used: int):
    x, router = random(length, 32), random(experts, 32)
    chosen, weights = ops.route(x, ops.pack(router), used)
    expected, expected_weights = reference.route(x.double(), reference.pack(router.double()), used)
    assert torch.equal(chosen, expected)
    assert_close(weights, expected_weights)
    assert_close(weights.sum(-1), torch.ones(length))


@pytest.mark.parametrize("implementation", [ops, reference])
def test_of_equal_scores_the_lower_expert_wins(implementation):
    router = torch.zeros(40, 4)
    router[30] = 1.0
    chosen, _ = implementation.route(torch.ones(1, 4), implementation.pack(router), 3)
    assert chosen.tolist() == [[30, 0, 1]]


@pytest.mark.parametrize("length", [1, 2, 33])
@pytest.mark.parametrize(("experts", "used"), [(6, 2), (4, 4)])
def test_mix_experts(length: int, experts: int, used: int):
    x = random(length, 32)
    gate_up, down = random(experts, 48, 32), random(experts, 32, 24)
    chosen, weights = reference.route(x, random(experts, 32), used)
    exact_up, exact_down = ([reference.pack(each.double()) for each in stacked] for stacked in (gate_up, down))
    expected = reference.mix_experts(x.double(), exact_up, exact_down, chosen, weights.double())
    packed_up, packed_down = ([ops.pack(each) for each in stacked] for stacked in (gate_up, down))
    assert_close(ops.mix_experts(x, packed_up, packed_down, chosen, weights), expected)
