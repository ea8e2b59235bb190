"""What tests of adapters are made of: loopback servers with faults on request, and one suite for every adapter.

Shipped with the package so that adapters of third parties can be held to the same suite.
"""

from __future__ import annotations

import sys

if "pytest" in sys.modules:  # so that a failed assert of the suite shows its values; the child process has no pytest
    import pytest

    for name in ("bench", "cases_contract", "cases_exactly_once", "cases_faults", "cases_roles", "cases_upload"):
        pytest.register_assert_rewrite(f"{__name__}.{name}")
