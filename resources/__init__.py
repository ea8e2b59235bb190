"""Data files: icons, themes, prompts, the catalogue of models, tables of facts."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent
