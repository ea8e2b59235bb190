"""What a test may need from outside the repository, and how it says that it is not there.

With CI=true nothing may be missing: what is a counted skip on a developer's machine is a failure there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import platformdirs
import pytest

ROOT = Path(__file__).resolve().parent.parent
SPECS = ROOT.parent / "shared" / "specs"
STARTER_MODEL = "SmolLM2-135M-Instruct.Q4_1.gguf"


def in_ci() -> bool:
    """Whether the run is the one that decides."""
    return os.environ.get("CI", "").lower() in ("true", "1")


def require_server(reason: str) -> NoReturn:
    """Skip the running test because its real server cannot be had (`reason` says why); with CI=true fail it."""
    if in_ci():
        pytest.fail(f"A real server is missing and CI=true: {reason}", pytrace=False)
    pytest.skip(reason)


def require_specs(name: str = "") -> Path:
    """The folder of the official API descriptions, or one platform's part of it; skips (with CI=true fails) without."""
    folder = SPECS / name
    if not folder.is_dir():
        reason = f"no {name or 'specs'} folder at ../shared/specs"
        if in_ci():
            pytest.fail(f"The API descriptions are missing and CI=true: {reason}", pytrace=False)
        pytest.skip(reason)
    return folder


def starter_model_path() -> Path:
    """The starter model, where the app finds it. Fails without: quarry.py has put it there before the tests run."""
    chosen = os.environ.get("QUARRY_MODELS_DIR")
    folder = Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("Quarry")) / "models"
    model = folder / STARTER_MODEL
    if not model.is_file():
        pytest.fail(f"No starter model at {model}: run `python3 quarry.py test` once, which gets it.", pytrace=False)
    return model
