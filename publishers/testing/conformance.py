"""The one suite every adapter passes (publishing.md, "Conformance suite").

A platform's test file is this, and its quirks:

    class MyPlatform(PlatformUnderTest): ...

    class TestConformance(ConformanceSuite):
        @pytest.fixture
        def platform(self, tmp_path):
            with MySimulator() as simulator:
                yield MyPlatform(tmp_path, simulator)

docs/platforms/adding.md says it at length.
"""

from __future__ import annotations

from publishers.testing.cases_contract import ContractCases
from publishers.testing.cases_exactly_once import ExactlyOnceCases
from publishers.testing.cases_faults import FaultCases
from publishers.testing.cases_roles import RoleCases
from publishers.testing.cases_upload import UploadCases
from publishers.testing.faults import Fault, FaultBoard, FaultKind, Route
from publishers.testing.platform import Call, PlatformUnderTest, Sample
from publishers.testing.proxy import FaultProxy
from publishers.testing.server import Simulator
from publishers.testing.wire import Answer, Request

__all__ = [
    "Answer",
    "Call",
    "ConformanceSuite",
    "Fault",
    "FaultBoard",
    "FaultKind",
    "FaultProxy",
    "PlatformUnderTest",
    "Request",
    "Route",
    "Sample",
    "Simulator",
]


class ConformanceSuite(ContractCases, ExactlyOnceCases, FaultCases, UploadCases, RoleCases):
    """Subclass it as `TestConformance` with a `platform` fixture that gives a new PlatformUnderTest."""
