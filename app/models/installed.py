"""Model files on this machine: found, imported, verified, removed."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import KnownError, NotThere
from app.models.catalogue import CatalogueModel, catalogue

_GGUF_MAGIC = b"GGUF"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model file in the models folder. `known` is its row of the catalogue."""

    id: str  # the file name without .gguf
    path: Path
    size: int
    known: CatalogueModel | None

    @property
    def name(self) -> str:
        return self.known.name if self.known else self.id


def installed(folder: Path) -> Sequence[InstalledModel]:
    """Every GGUF file of the folder, the starter last, the rest largest first."""
    known = {model.id: model for model in catalogue()}
    try:
        files = [path for path in folder.glob("*.gguf") if path.is_file()]
    except OSError:
        files = []
    models = [InstalledModel(path.stem, path, path.stat().st_size, _row(path.stem, known)) for path in files]
    return sorted(models, key=lambda model: (model.known is not None and model.known.starter, -model.size))


def find(folder: Path, name: str) -> InstalledModel:
    """The model of that id or file. "" takes the first: the largest that is not the starter.

    Raises NotThere when there is none."""
    models = installed(folder)
    if not name and models:
        return models[0]
    for model in models:
        if name in {model.id, model.name, model.path.name}:
            return model
    path = Path(name).expanduser()
    if name.endswith(".gguf") and path.is_file():
        return InstalledModel(path.stem, path.resolve(), path.stat().st_size, None)
    have = ", ".join(model.id for model in models) or "none"
    raise NotThere(f"There is no model “{name}” on this machine (installed: {have}); see `quarry models list`.")


def import_file(folder: Path, source: Path) -> InstalledModel:
    """Copy a GGUF file into the models folder. Raises KnownError for another kind of file or a full disk."""
    try:
        with source.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise KnownError(f"{source} cannot be read ({error.strerror}): nothing was imported.") from error
    if magic != _GGUF_MAGIC:
        raise KnownError(f"{source.name} is no GGUF model file: nothing was imported; choose a file ending in .gguf.")
    target = folder / f"{source.stem}.gguf"
    if target.exists():
        raise KnownError(f"There is a model {target.stem} already: nothing was imported; remove it first.")
    partial = target.with_suffix(".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (need := source.stat().st_size) > shutil.disk_usage(folder).free:
            raise KnownError(f"The disk has no room for {need / 1e9:.1f} GB: nothing was imported; free some space.")
        with source.open("rb") as original, partial.open("wb") as copy:
            shutil.copyfileobj(original, copy, _BLOCK)
            copy.flush()
            os.fsync(copy.fileno())
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise KnownError(f"{source.name} could not be copied ({error.strerror}): nothing was imported.") from error
    return find(folder, target.stem)


def remove(model: InstalledModel) -> None:
    """Delete the file. Raises KnownError where the system refuses (Windows: while the engine holds it)."""
    try:
        model.path.unlink()
    except OSError as error:
        raise KnownError(f"{model.path.name} cannot be removed ({error.strerror}); stop the engine first.") from error


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _row(stem: str, known: dict[str, CatalogueModel]) -> CatalogueModel | None:
    """A file's row: its name is the id, or begins with it (granite-4.0-h-1b-Q4_K_M)."""
    if stem in known:
        return known[stem]
    matches = [row for identifier, row in known.items() if stem.lower().startswith(f"{identifier.lower()}-")]
    return max(matches, key=lambda row: len(row.id), default=None)
