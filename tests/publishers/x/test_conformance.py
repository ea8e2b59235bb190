"""X passes the suite every adapter passes."""

from __future__ import annotations

from publishers.testing.conformance import ConformanceSuite


class TestConformance(ConformanceSuite):
    """The `platform` fixture is the folder's own."""
