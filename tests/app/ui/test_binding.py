"""The Qt binding itself: PySide6 6.12.0 on Python 3.11 gives None away without counting it, and dies after a while."""

from __future__ import annotations

import sys

import pytest
from PySide6.QtWidgets import QWidget

CALLS = 300  # few enough to survive the fault this looks for


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None is immortal there and not counted")
def test_calls_that_return_none_count_it(qapp: object):
    widget = QWidget()
    before = sys.getrefcount(None)
    for _ in range(CALLS):
        widget.parentWidget()
    assert sys.getrefcount(None) > before - CALLS // 2, "this PySide6 wheel ends in “deallocating None”: pin another"
