from __future__ import annotations

import pytest

from app.core.errors import KnownError
from app.tour.record import STEPS, Record


def test_it_is_ok_only_when_every_step_was() -> None:
    record = Record("folder")
    for name in STEPS[:-1]:
        with record.step(name):
            pass
    assert not record.ok
    with record.step(STEPS[-1]) as step:
        step.evidence["posts"] = 1
    assert record.ok
    assert record.to_json()["steps"][-1]["evidence"] == {"posts": 1}


def test_a_step_that_cannot_be_done_says_why_and_ends_the_tour() -> None:
    record = Record("folder")
    with pytest.raises(KnownError, match="no flour"), record.step("set-up"):
        raise KnownError("There is no flour.")
    [step] = record.to_json()["steps"]
    assert (step["ok"], step["evidence"]) == (False, {"error": "There is no flour."})
    assert not record.ok
