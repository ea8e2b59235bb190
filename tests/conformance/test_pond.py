"""The suite on a platform that has everything: no case may be skipped here."""

from __future__ import annotations

from publishers.testing.conformance import ConformanceSuite


class TestConformance(ConformanceSuite):
    """Pond's fixture stands in conftest.py."""
