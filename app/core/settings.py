"""What belongs to this machine: settings.toml, each value overridable by QUARRY_<NAME> in the environment.

What changes publishing or ranking is the same for every machine and stands in the database (table setting).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from app.core.errors import KnownError
from app.core.files import replace_file


class MachineSettings(BaseSettings):
    """Flat and typed; every field is described once, here, for the Settings page and the docs."""

    model_config = SettingsConfigDict(env_prefix="QUARRY_", extra="ignore", frozen=True)

    theme: Literal["system", "light", "dark"] = Field("system", description="Colours of the window.")
    zone: str = Field("", description="IANA time zone of new posts; empty follows this computer.")
    model: str = Field("", description="Model that drafts; empty takes the best one on this computer.")
    endpoint: str = Field("", description="Address of another OpenAI-compatible server to draft with.")
    engine_threads: int = Field(0, ge=0, le=256, description="Processor threads of the engine; 0 = one per core.")
    engine_context: int = Field(4096, ge=512, le=131_072, description="Tokens a draft and its prompt may have.")
    reduce_motion: bool = Field(False, description="No transitions in the window.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))


def load_settings(path: Path) -> MachineSettings:
    """Read settings.toml; no file means the defaults. Raises KnownError naming the line or value that is wrong."""

    class FromFile(MachineSettings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        return FromFile()
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise KnownError(
            f"The setting {name} cannot be used ({first['msg']}): nothing was changed; correct it in {path}."
        ) from error
    except ValueError as error:  # tomllib.TOMLDecodeError
        raise KnownError(f"{path} cannot be read ({error}): nothing was changed; correct or delete it.") from error


def save_settings(path: Path, settings: MachineSettings, **changes: Any) -> MachineSettings:
    """Write `settings` with `changes` and give the new ones back. Atomic: a crash leaves the old file."""
    changed = MachineSettings.model_validate({**settings.model_dump(), **changes})
    # Strings, numbers and booleans are written the same in JSON and TOML.
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in changed.model_dump().items()]
    try:
        replace_file(path, ("\n".join(lines) + "\n").encode())
    except OSError as error:
        raise KnownError(
            f"{path} cannot be written ({error.strerror}): the old settings stand; check the disk and try again."
        ) from error
    return changed
