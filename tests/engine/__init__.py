"""Tests of the engine."""

import os

# As engine.__main__ sets it, and like there before torch is imported: waiting threads sleep instead of spinning.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
