"""The models service: which models there are, and a client of whatever runs the chosen one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from app.core.errors import ServiceDown
from app.core.folder import DataFolder
from app.core.settings import MachineSettings
from app.models.catalogue import CatalogueModel, Fit, catalogue, fit, recommended
from app.models.installed import InstalledModel, find, installed
from app.models.machine import memory_bytes
from app.models.supervisor import Supervisor
from engine.client import EngineClient
from engine.protocol import EngineError, ModelInfo

_PARALLEL = 2  # drafts at a time that memory is counted for


@dataclass(frozen=True, slots=True)
class Running:
    """A model that answers: a client, and what its server says of it."""

    client: EngineClient
    info: ModelInfo


@dataclass(frozen=True, slots=True)
class Offer:
    """A model of the catalogue as seen from this machine. Bytes."""

    model: CatalogueModel
    memory: int
    fit: Fit
    recommended: bool
    installed: bool


class Models:
    """Models on this machine and elsewhere."""

    def __init__(self, folder: DataFolder, settings: MachineSettings, models_folder: Path) -> None:
        self._settings = settings
        self._models_folder = models_folder
        self._supervisor = Supervisor(folder, settings)

    def listed(self) -> Sequence[InstalledModel]:
        """The installed models. Looks at the disk."""
        return installed(self._models_folder)

    def find(self, name: str = "") -> InstalledModel:
        """The named model, else the one of the settings, else the best there is. Raises NotThere."""
        return find(self._models_folder, name or self._settings.model)

    def offers(self) -> Sequence[Offer]:
        """The catalogue with what each model needs here and whether that fits."""
        memory, context = memory_bytes(), self._settings.engine_context
        best = recommended(memory, context, _PARALLEL)
        have = {model.known.id for model in self.listed() if model.known}
        offers = []
        for model in catalogue():
            needed = model.memory(context, _PARALLEL)
            offers.append(Offer(model, needed, fit(needed, memory), model is best, model.id in have))
        return offers

    @asynccontextmanager
    async def running(self, model: str = "", endpoint: str = "") -> AsyncIterator[Running]:
        """A model that answers: at `endpoint` (or the setting) where one is named, else in our own engine.

        Raises ServiceDown where it does not, NotThere where there is no such model."""
        endpoint = endpoint or self._settings.endpoint
        client = EngineClient(endpoint) if endpoint else await self._supervisor.connect(self.find(model))
        async with client:
            try:
                infos = await client.models()
            except EngineError as error:
                raise ServiceDown(f"{error.message} No text was lost; start it and try again.") from error
            wanted = [info for info in infos if not endpoint or not model or info.id == model]
            if not wanted:
                have = ", ".join(info.id for info in infos) or "none"
                raise ServiceDown(f"The server at {endpoint} has no model “{model}” (it has: {have}).")
            info = wanted[0]
            if endpoint:
                info = replace(info, device=info.device or "remote")
            yield Running(client, info)

    def close(self) -> None:
        self._supervisor.close()
