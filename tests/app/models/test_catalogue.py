from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.models.catalogue import Fit, catalogue, fit, recommended
from app.models.machine import memory_bytes

GIB = 2**30


def test_there_is_one_starter_and_ids_are_unique() -> None:
    assert sum(model.starter for model in catalogue()) == 1
    assert len({model.id for model in catalogue()}) == len(catalogue())
    assert all(model.licence and model.maker and model.file_bytes > 0 for model in catalogue())


@given(st.integers(min_value=0, max_value=2**40), st.sampled_from(catalogue()))
def test_what_is_recommended_is_the_largest_hybrid_that_fits(memory: int, other) -> None:
    best = recommended(memory, 4096, 2)
    assert best.state_bytes
    if fit(best.memory(4096, 2), memory) is Fit.FITS:
        larger = other.state_bytes and other.parameters > best.parameters
        assert not larger or fit(other.memory(4096, 2), memory) is not Fit.FITS
    else:
        assert best.parameters == min(model.parameters for model in catalogue() if model.state_bytes)


def test_memory_grows_with_context_and_drafts_but_not_past_the_model_s_context() -> None:
    for model in catalogue():
        assert model.memory(4096, 2) > model.memory(4096, 1) > model.file_bytes
        assert model.memory(model.context, 1) == model.memory(model.context * 2, 1)


def test_half_of_the_memory_fits_and_more_is_tight() -> None:
    assert fit(4 * GIB, 8 * GIB) is Fit.FITS
    assert fit(4 * GIB + 1, 8 * GIB) is Fit.TIGHT
    assert fit(7 * GIB, 8 * GIB) is Fit.TOO_LARGE


def test_this_machine_has_memory() -> None:
    assert memory_bytes() > GIB // 4
