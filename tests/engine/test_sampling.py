"""Which tokens may be drawn, how often, and that draws repeat."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.protocol import Sampling
from engine.sampling import Sampler

PROBABILITIES = np.array([0.1, 0.4, 0.3, 0.15, 0.05])
LOGITS = np.log(PROBABILITIES).astype(np.float32)


def draws(
    sampling: Sampling, count: int = 2000, logits: np.ndarray = LOGITS, prompt: tuple[int, ...] = ()
) -> np.ndarray:
    """How often each token was drawn, by `count` requests with different seeds."""
    tokens = [Sampler(sampling, seed, prompt).choose(logits.copy()) for seed in range(count)]
    return np.bincount(tokens, minlength=len(logits)) / count


def test_plain_sampling_follows_the_probabilities():
    frequencies = draws(Sampling(temperature=1, top_p=1, top_k=0))
    np.testing.assert_allclose(frequencies, PROBABILITIES, atol=0.04)


def test_temperature_sharpens():
    expected = PROBABILITIES**2 / (PROBABILITIES**2).sum()
    np.testing.assert_allclose(draws(Sampling(temperature=0.5, top_p=1, top_k=0)), expected, atol=0.04)


@pytest.mark.parametrize(
    ("sampling", "allowed"),
    [
        (Sampling(temperature=0), {1}),
        (Sampling(temperature=1, top_k=2, top_p=1), {1, 2}),
        (Sampling(temperature=1, top_k=0, top_p=0.7), {1, 2}),
        (Sampling(temperature=1, top_k=0, top_p=0.71), {1, 2, 3}),
        (Sampling(temperature=1, top_k=0, top_p=0), {1}),
        (Sampling(temperature=1, top_k=0, top_p=1, min_p=0.3), {1, 2, 3}),
        (Sampling(temperature=1, top_k=0, top_p=1, min_p=1), {1}),
    ],
)
def test_filters_keep_exactly_the_best(sampling: Sampling, allowed: set[int]):
    assert set(np.flatnonzero(draws(sampling, 500))) == allowed


def test_ties_go_to_the_lowest_id():
    flat = np.zeros(10, dtype=np.float32)
    assert draws(Sampling(temperature=0), 1, flat)[0] == 1
    assert set(np.flatnonzero(draws(Sampling(temperature=1, top_k=3, top_p=1), 300, flat))) == {0, 1, 2}


def test_repetition_penalty_lowers_what_stands_in_prompt_and_answer():
    sampler = Sampler(Sampling(temperature=0, repetition_penalty=2.0), 0, prompt=[1])
    logits = np.array([-1.0, 4.0, 3.0, 1.9, -5.0], dtype=np.float32)
    # 1 was read: 4/2 < 3; then 2 was written: 3/2 < 4/2 and < 1.9 < 2
    assert [sampler.choose(logits.copy()) for _ in range(3)] == [2, 1, 1]


def test_a_token_that_may_never_come_never_comes():
    sampler = Sampler(Sampling(temperature=0), 0, prompt=[], never=[1])
    assert sampler.choose(LOGITS.copy()) == 2


@given(seed=st.integers(0, 2**63 - 1), length=st.integers(0, 50))
def test_a_draw_depends_on_seed_and_position_alone(seed: int, length: int):
    """Not on what was drawn before: a sequence restored in the middle goes on with the same numbers."""
    flat = np.zeros(1000, dtype=np.float32)
    sampling = Sampling(temperature=1, top_k=0, top_p=1)
    straight = Sampler(sampling, seed, prompt=[0] * length)
    first, second = straight.choose(flat.copy()), straight.choose(flat.copy())
    restored = Sampler(sampling, seed, prompt=[0] * (length + 1))
    assert restored.choose(flat.copy()) == second
    assert Sampler(sampling, seed, prompt=[0] * length).choose(flat.copy()) == first


def test_positions_and_seeds_draw_differently():
    flat = np.zeros(1000, dtype=np.float32)
    sampling = Sampling(temperature=1, top_k=0, top_p=1)
    tokens = {Sampler(sampling, seed, [0] * at).choose(flat.copy()) for seed in range(10) for at in range(10)}
    assert len(tokens) > 80
