"""Where things live: the data folder, and apart from it models and caches."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from app.core.errors import KnownError

APP = "Quarry"


@dataclass(frozen=True, slots=True)
class DataFolder:
    """One creator's data. Two programs over one folder share its database and divide the work by leases."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "quarry.db"

    @property
    def media(self) -> Path:
        return self.root / "media"

    @property
    def settings(self) -> Path:
        return self.root / "settings.toml"

    @property
    def run(self) -> Path:
        """Locks, sockets and the engine's address: nothing here outlives a reboot's worth of work."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def prefixes(self) -> Path:
        """What the engine keeps of prompts it has read, so as not to read them again; it makes the folder itself."""
        return self.root / "cache" / "prefixes"

    def prepare(self) -> DataFolder:
        """Make the folder and its parts. Raises KnownError where that cannot be."""
        try:
            for folder in (self.root, self.media, self.run, self.logs, self.backups):
                folder.mkdir(parents=True, exist_ok=True)
            self.run.chmod(0o700)
        except OSError as error:
            raise KnownError(
                f"The data folder {self.root} cannot be used ({error.strerror}): "
                "nothing was changed; choose another with --data-dir."
            ) from error
        return self


def default_data_folder() -> Path:
    """QUARRY_DATA_DIR, else the system's place for application data."""
    named = os.environ.get("QUARRY_DATA_DIR")
    return Path(named) if named else Path(platformdirs.user_data_dir(APP, appauthor=False)) / "data"


def models_folder() -> Path:
    """QUARRY_MODELS_DIR, else a folder beside the data that a fresh data folder does not empty."""
    named = os.environ.get("QUARRY_MODELS_DIR")
    return Path(named) if named else Path(platformdirs.user_data_dir(APP, appauthor=False)) / "models"
